"""What changed between two grids: the metric, configurations, surroundings, cells."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from adapt.benchmark.plan.merging import differences, merge
from adapt.benchmark.results.results import CellResult, read_results
from adapt.benchmark.statistics.analysis import chosen_measure, read_planned, transductive_tasks, units_of
from adapt.benchmark.statistics.estimates import headline, place, rules_of, settings_of
from adapt.benchmark.statistics.paired_tests import Comparison, compare, paired, target_values
from adapt.benchmark.vocabulary import CELL_FILE
from adapt.errors import AdaptError
from adapt.measures import Measure
from adapt.yaml_files import read_yaml

Key = tuple[str, str, int]

MOST_LINES = 20


@dataclass(frozen=True)
class Changes:
    """Two grids side by side, their cells matched by task, method and seed.

    Attributes:
        measure: The metric.
        headline: The metric of validation, by which the oracle picks.
        rule: Its selection rule.
        matched: Cells in both.
        settings: Which target labels each method trains on.
        comparisons: By how much the second is better per method, over the cells that finished in both.
        means: Mean of those cells per method, in the first and in the second grid.
        configurations: Sentences on the values that differ, and in which cells.
        surroundings: Sentences on commit, device, threads and versions that differ.
        outcomes: Sentences on cells that finished in one grid alone.
        alone: Sentences on cells that one grid alone has.
        tasks: Tasks that both have.
        transductive: Those of them whose test set was trained on, in either grid.
    """

    measure: Measure
    headline: Measure
    rule: str
    matched: int
    settings: Mapping[str, str]
    comparisons: tuple[Comparison, ...]
    means: Mapping[str, tuple[float, float]]
    configurations: tuple[str, ...]
    surroundings: tuple[str, ...]
    outcomes: tuple[str, ...]
    alone: tuple[str, ...]
    tasks: tuple[str, ...]
    transductive: tuple[str, ...]


def compare_grids(first: Path, second: Path, rule: str | None = None) -> Changes:
    """Match the cells of two grids and test what changed.

    Args:
        first: Folder of the grid that was there before.
        second: Folder of the other one.
        rule: Selection rule whose metric is compared; by default the one that both plans name, else the headline's of
            both grids together.

    Raises:
        AdaptError: When a folder holds no results, the two have no cell in common, or one does not know the rule.
    """
    grids = [read_results(folder) for folder in (first, second)]
    if rule is None:
        said = {read_planned(folder).rule for folder in (first, second)}
        rule = headline([*grids[0], *grids[1]], said.pop() if len(said) == 1 else "")
    for folder, results in zip((first, second), grids, strict=True):
        if rule not in (known := rules_of(results)):
            raise AdaptError(f"Expected a rule that {folder} recorded ({', '.join(known)}), found --rule {rule}.")
    old, new = ({(r.task, r.method, r.seed): r for r in results} for results in grids)
    matched = [key for key in old if key in new]
    if not matched:
        raise AdaptError(
            f"{first} and {second} have no cell of the same task, method and seed.\n"
            f"Found {_extent(grids[0])} in the one, {_extent(grids[1])} in the other."
        )
    settings = settings_of([new[key] for key in matched])
    methods = sorted(settings, key=lambda method: place(settings[method]))
    measure = chosen_measure([*grids[0], *grids[1]], read_planned(second).metric)

    tasks = tuple(dict.fromkeys(task for task, _, _ in matched))
    trained_on = {task for results in grids for task in transductive_tasks(results)}

    def values(results: Sequence[CellResult], method: str) -> dict[tuple[str, int], float]:
        return target_values(results, method, rule, measure)

    pairs = {m: paired(values(grids[1], m), values(grids[0], m), measure) for m in methods}
    means: dict[str, tuple[float, float]] = {}
    for method in methods:
        before, after = (
            [value for pair, value in values(results, method).items() if pair in pairs[method]] for results in grids
        )
        if before:
            means[method] = float(np.mean(before)), float(np.mean(after))
    return Changes(
        measure=measure,
        headline=chosen_measure([*grids[0], *grids[1]]),
        rule=rule,
        matched=len(matched),
        settings=settings,
        comparisons=compare(pairs, measure, read_planned(second).units or units_of(grids[1])),
        means=means,
        configurations=tuple(_configurations(old, new, matched)),
        surroundings=tuple(_surroundings([old[key] for key in matched], [new[key] for key in matched])),
        outcomes=tuple(
            f"Finished in {folder} alone: {_cells(found)}."
            for folder, found in (
                (first, [key for key in matched if old[key].status == "ok" != new[key].status]),
                (second, [key for key in matched if new[key].status == "ok" != old[key].status]),
            )
            if found
        ),
        alone=tuple(
            f"Only in {folder}: {_cells(found)}."
            for folder, found in (
                (first, [key for key in old if key not in new]),
                (second, [key for key in new if key not in old]),
            )
            if found
        ),
        tasks=tasks,
        transductive=tuple(task for task in tasks if task in trained_on),
    )


def _configurations(
    old: Mapping[Key, CellResult], new: Mapping[Key, CellResult], matched: Sequence[Key]
) -> Iterator[str]:
    where: dict[str, list[Key]] = {}
    for key in matched:
        if old[key].config_hash == new[key].config_hash:
            continue
        for line in _lines(old[key].directory, new[key].directory):
            where.setdefault(line, []).append(key)
    for line in list(where)[:MOST_LINES]:
        yield f"{line} ({_share(where[line], matched)})"
    if len(where) > MOST_LINES:
        yield f"... and {len(where) - MOST_LINES} other values."


def _lines(first: Path, second: Path) -> list[str]:
    try:
        old, new = (_portable(read_yaml(folder / CELL_FILE)) for folder in (first, second))
    except AdaptError:
        return [f"the configuration differs, but a {CELL_FILE} is gone"]
    return list(differences(old, new)) or ["the run that it starts from differs"]


def _portable(config: Any) -> Any:
    start = ((config.get("model") or {}).get("init_args") or {}).get("init_from")
    if start is None:
        return config
    # Two grids lie in two folders: what counts is task, method and seed of the start, and its file.
    return merge(config, {"model": {"init_args": {"init_from": "/".join(PurePath(start).parts[-5:])}}})


def _share(found: Sequence[Key], matched: Sequence[Key]) -> str:
    if len(found) == len(matched):
        return "every cell"
    shares = []
    for method in dict.fromkeys(method for _, method, _ in found):
        count, total = (sum(key[1] == method for key in keys) for keys in (found, matched))
        shares.append(method if count == total else f"{method}: {count} of {total} cells")
    return ", ".join(shares)


def _surroundings(old: Sequence[CellResult], new: Sequence[CellResult]) -> Iterator[str]:
    facts = {
        "commit": [[r.commit or "unknown" for r in results] for results in (old, new)],
        "device": [[r.device for r in results] for results in (old, new)],
        "threads": [[str(r.threads) for r in results] for results in (old, new)],
    }
    for name in dict.fromkeys(name for r in [*old, *new] for name in r.versions):
        facts[name] = [[r.versions.get(name, "unknown") for r in results] for results in (old, new)]
    for name, (before, after) in facts.items():
        if set(before) != set(after):
            yield f"{name}: {_distinct(before)} → {_distinct(after)}"


def _cells(keys: Iterable[Key]) -> str:
    counts: dict[str, list[Key]] = {}
    for key in keys:
        counts.setdefault(key[1], []).append(key)
    named = []
    for method, found in counts.items():
        tasks, seeds = dict.fromkeys(k[0] for k in found), sorted({k[2] for k in found})
        shown = ", ".join(tasks) if len(tasks) <= 3 else f"{len(tasks)} tasks"
        named.append(f"{method} ({shown}; {'seed' if len(seeds) == 1 else 'seeds'} {', '.join(map(str, seeds))})")
    return "; ".join(named)


def _extent(results: Sequence[CellResult]) -> str:
    tasks, methods = dict.fromkeys(r.task for r in results), dict.fromkeys(r.method for r in results)
    return f"{len(results)} cells of {_distinct(tasks)} with {_distinct(methods)}"


def _distinct(values: Iterable[str]) -> str:
    found = list(dict.fromkeys(values))
    return ", ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")
