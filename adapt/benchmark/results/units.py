"""Which tasks of a benchmark are the same pair of domains: those are no independent observations."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

_PLACE = ("root", "dataset", "folder", "file")


def domain_pair(config: Mapping[str, Any]) -> str | None:
    """The source and target of a run's configuration with where they lie; None where it does not say so.

    Domains of one name in another folder or file, such as `train` and `test` of two studies, are other domains.

    Examples:
        >>> domain_pair({"data": {"class_path": "Digits", "init_args": {"source": "mnist", "target": "usps"}}})
        'Digits mnist → usps'
    """
    data = config.get("data")
    if not isinstance(data, Mapping) or not isinstance(data.get("init_args"), Mapping):
        return None
    arguments = data["init_args"]
    source, target = arguments.get("source"), arguments.get("target")
    if source is None or target is None:
        return None
    sources = "+".join(map(str, source)) if isinstance(source, list | tuple) else str(source)
    where = [str(data.get("class_path", "")).rpartition(".")[2], *(arguments.get(name) for name in _PLACE)]
    return " ".join([*(str(part) for part in where if part), sources, "→", str(target)])


def shared_pairs(pairs: Mapping[str, str | None]) -> dict[str, str]:
    """Of tasks and their pairs, those whose pair another task has too.

    Examples:
        >>> shared_pairs({"one shot": "mnist → usps", "two shots": "mnist → usps", "far": "mnist → mnist_m"})
        {'one shot': 'mnist → usps', 'two shots': 'mnist → usps'}
    """
    times = Counter(pairs.values())
    return {task: pair for task, pair in pairs.items() if pair is not None and times[pair] > 1}
