"""Which tasks of a benchmark are the same pair of domains: those are no independent observations."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

_NAMES = ("dataset", "folder", "source", "target")


def domain_pair(config: Mapping[str, Any]) -> str | None:
    """The source and target of a run's configuration with their dataset; None where it does not say so.

    Examples:
        >>> domain_pair({"data": {"class_path": "Digits", "init_args": {"source": "mnist", "target": "usps"}}})
        'Digits mnist → usps'
    """
    data = config.get("data")
    if not isinstance(data, Mapping) or not isinstance(data.get("init_args"), Mapping):
        return None
    values = {name: data["init_args"].get(name) for name in _NAMES}
    if values["source"] is None or values["target"] is None:
        return None
    source = values["source"]
    sources = "+".join(map(str, source)) if isinstance(source, list | tuple) else str(source)
    where = [str(data.get("class_path", "")).rpartition(".")[2], *(values[name] for name in _NAMES[:2])]
    return " ".join([*(str(part) for part in where if part), sources, "→", str(values["target"])])


def shared_pairs(pairs: Mapping[str, str | None]) -> dict[str, str]:
    """Of tasks and their pairs, those whose pair another task has too.

    Examples:
        >>> shared_pairs({"one shot": "mnist → usps", "two shots": "mnist → usps", "far": "mnist → mnist_m"})
        {'one shot': 'mnist → usps', 'two shots': 'mnist → usps'}
    """
    times = Counter(pairs.values())
    return {task: pair for task, pair in pairs.items() if pair is not None and times[pair] > 1}
