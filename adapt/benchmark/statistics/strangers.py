"""Results in a benchmark's folder that do not belong together, or not to its plan."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapt.benchmark.plan.merging import config_hash, differences
from adapt.benchmark.results.results import CellResult
from adapt.benchmark.vocabulary import CELL_FILE
from adapt.errors import AdaptError
from adapt.yaml_files import read_yaml

# What differs between the seeds of one experiment: the seed, and the runs of that seed that it starts from.
_OF_THE_SEED = ("seed_everything:", "init_from:", "run:")


@dataclass(frozen=True)
class Mixed:
    """Seeds of one method on one task that were trained with different settings.

    Attributes:
        task: The task.
        method: The method.
        seeds: The seeds, those of one setting together.
        changes: What differs between the first two settings, such as `trainer.max_steps: 8 → 200`.
    """

    task: str
    method: str
    seeds: tuple[tuple[int, ...], ...]
    changes: tuple[str, ...]


def mixed_settings(results: Sequence[CellResult]) -> tuple[Mixed, ...]:
    """Where a mean over seeds would be one over different experiments, as the configurations beside the results say."""
    found: dict[tuple[str, str], dict[tuple[str, ...], list[CellResult]]] = {}
    for result in results:
        if result.status == "ok" and (lines := _settings(result.directory)):
            found.setdefault((result.task, result.method), {}).setdefault(lines, []).append(result)
    mixed = []
    for (task, method), written in found.items():
        kinds = _of_one_meaning(written) if len(written) > 1 else written
        if len(kinds) > 1:
            seeds = tuple(tuple(sorted(result.seed for result in own)) for own in kinds.values())
            mixed.append(Mixed(task, method, seeds, _changes(*kinds.values())))
    return tuple(mixed)


def _settings(directory: Path) -> tuple[str, ...]:
    # As lines: to parse the configurations of a thousand cells takes a minute.
    try:
        text = (directory / CELL_FILE).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ()
    return tuple(line for line in text.splitlines() if not line.strip().startswith(_OF_THE_SEED))


def _of_one_meaning(
    kinds: Mapping[tuple[str, ...], Sequence[CellResult]],
) -> dict[tuple[str, ...], list[CellResult]]:
    """The same without what differs in the order of its keys or in how lines are broken: that is one setting."""
    joined: dict[str, tuple[str, ...]] = {}
    found: dict[tuple[str, ...], list[CellResult]] = {}
    for lines, own in kinds.items():
        try:
            meaning = config_hash(_without_seed(read_yaml(own[0].directory / CELL_FILE)))
        except AdaptError:
            meaning = "\n".join(lines)
        found.setdefault(joined.setdefault(meaning, lines), []).extend(own)
    return found


def _without_seed(config: Any) -> Any:
    if not isinstance(config, Mapping):
        return config
    return {key: _without_seed(value) for key, value in config.items() if f"{key}:" not in _OF_THE_SEED}


def _changes(first: Sequence[CellResult], second: Sequence[CellResult], *others: object) -> tuple[str, ...]:
    try:
        old, new = (read_yaml(own[0].directory / CELL_FILE) for own in (first, second))
    except AdaptError:
        return ()
    lines = ((line, line.partition(":")[0].rpartition(".")[2]) for line in differences(old, new))
    return tuple(line for line, key in lines if f"{key}:" not in _OF_THE_SEED)


def unplanned(
    results: Sequence[CellResult], tasks: Sequence[str], methods: Sequence[str], seeds: Sequence[int] = ()
) -> tuple[str, ...]:
    """Tasks, methods and seeds that have results and are not in the plan; none where the plan is not known."""
    if not tasks or not methods:
        return ()
    strange = [
        *(f"task {task}" for task in dict.fromkeys(r.task for r in results) if task not in tasks),
        *(f"method {method}" for method in dict.fromkeys(r.method for r in results) if method not in methods),
        *(f"seed {seed}" for seed in sorted({r.seed for r in results}) if seeds and seed not in seeds),
    ]
    return tuple(strange)
