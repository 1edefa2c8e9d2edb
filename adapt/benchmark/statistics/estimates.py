"""Means, intervals over seeds, and which differences count."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Literal

import numpy as np
from scipy import stats

from adapt.benchmark.plan.plan import labels_seen, shots_of
from adapt.benchmark.results.results import CellResult, measures_of
from adapt.benchmark.vocabulary import AVERAGE, DEFAULT_RULE, ORACLE, SOURCE_ONLY, TARGET_LABELS
from adapt.measures import ACCURACY, Measure

NegativeTransfer = Literal["apart", "one seed", "two seeds"]

FEWEST_SEEDS = 3
"""Seeds from which on a mean has a t interval; of two there is the range."""


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds.

    Attributes:
        mean: Mean of a metric, of a share in [0, 1]; None without a finished run.
        ci: Half-width of the 95% t interval, as CSV files have it; None with fewer than two seeds.
        n: Seeds that the mean is over.
        n_failed: Seeds that failed or diverged.
        negative: Whether the mean lies below source-only's: with the intervals `apart`, or by `one seed` or `two seeds`
            alone.
        spread: Lowest and highest value.
        floor: The lowest that can be: 0 of an accuracy, −1 of a difference.
        ceiling: The highest.
        higher: Whether higher is better.
    """

    mean: float | None
    ci: float | None
    n: int
    n_failed: int
    negative: NegativeTransfer | None = None
    spread: tuple[float, float] | None = None
    floor: float = 0.0
    ceiling: float = 1.0
    higher: bool = True

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95% interval as far as it is possible, of two seeds their range; None with fewer."""
        if self.mean is None or self.ci is None or self.n < FEWEST_SEEDS:
            return self.spread if self.n > 1 else None
        return max(self.floor, self.mean - self.ci), min(self.ceiling, self.mean + self.ci)

    @property
    def even(self) -> bool:
        """Whether the interval is as wide on both sides, so that its half-width says it."""
        if self.mean is None or self.ci is None or self.n < FEWEST_SEEDS:
            return False
        return self.interval == (self.mean - self.ci, self.mean + self.ci)


@dataclass(frozen=True)
class Summary:
    """What a table shows under one selection rule.

    Attributes:
        rule: The selection rule.
        tasks: Column order.
        methods: Row order: source-only first, train-on-target last.
        settings: Which target labels each method trains on.
        seeds: All seeds of the grid.
        cells: Estimate per method and task; missing where nothing ran.
        averages: Estimate per method over all tasks; empty with one task.
        accuracies: The metric by seed, per method and task.
        measure: The metric.
        headline: The metric of validation, by which the oracle picks.
        units: Task → the pair of domains that it shares with another task; a task that is not named is one alone.
    """

    rule: str
    tasks: tuple[str, ...]
    methods: tuple[str, ...]
    settings: Mapping[str, str]
    seeds: tuple[int, ...]
    cells: Mapping[tuple[str, str], Estimate]
    averages: Mapping[str, Estimate]
    accuracies: Mapping[tuple[str, str], Mapping[int, float]]
    measure: Measure = ACCURACY
    headline: Measure = ACCURACY
    units: Mapping[str, str] = field(default_factory=dict)

    @property
    def columns(self) -> dict[str, Mapping[str, Estimate]]:
        """Column → method → estimate: the tasks, and with several of them their average."""
        columns: dict[str, Mapping[str, Estimate]] = {
            task: {method: self.cells[method, task] for method in self.methods if (method, task) in self.cells}
            for task in self.tasks
        }
        if self.averages:
            columns[AVERAGE] = self.averages
        return columns

    @property
    def baseline(self) -> str | None:
        """The method that all others are compared with: the first that does not adapt."""
        return next((method for method in self.methods if self.settings[method] == SOURCE_ONLY), None)


def half_width(values: Sequence[float]) -> float | None:
    """Half-width of the 95% confidence interval of a mean, t₀.₉₇₅,ₙ₋₁ · s / √n; None with fewer than two values."""
    n = len(values)
    if n < 2:
        return None
    return float(_student(n) * np.std(values, ddof=1) / math.sqrt(n))


@cache
def _student(n: int) -> float:
    # A large grid asks for the same few quantiles ten thousand times.
    return float(stats.t.ppf(0.975, n - 1))


def summarise(
    results: Sequence[CellResult],
    rule: str,
    tasks: Sequence[str] = (),
    methods: Sequence[str] = (),
    seeds: Sequence[int] = (),
    measure: Measure | None = None,
    domain: Literal["source", "target"] = "target",
    units: Mapping[str, str] | None = None,
) -> Summary:
    """Mean and interval over seeds, per method and task and over tasks.

    The average is taken per seed first, over all tasks, and then over seeds: its interval is that of the average, not
    of the tasks. A seed counts only when the method has finished every task of the grid with it, so that averages of
    different tasks are never compared; `n` says how many did.

    Args:
        results: Results of a grid.
        rule: Selection rule whose values count.
        tasks: Order of the tasks; those not named follow as first seen.
        methods: Order of the methods, likewise; source-only still comes first and train-on-target last.
        seeds: Seeds of the grid, beside those with a result: an estimate of fewer is over a part of what was planned.
        measure: The metric; by default the headline of the results.
        domain: On whose test set.
        units: Tasks that are no tasks of their own for a test.
    """
    headline = next(iter(measures_of(results).values()))
    measure = measure or headline
    task_order = _order([result.task for result in results], tasks)
    settings = settings_of(results)
    method_order = sorted(_order([result.method for result in results], methods), key=lambda m: place(settings[m]))
    accuracies: dict[tuple[str, str], dict[int, float]] = {}
    failed: dict[tuple[str, str], int] = {}
    for result in results:
        key = result.method, result.task
        by_seed = accuracies.setdefault(key, {})
        if (value := result.value(rule, measure.name, domain)) is not None:
            by_seed[result.seed] = value
        failed[key] = failed.get(key, 0) + (result.status != "ok")
    cells = {key: of_measure(list(by_seed.values()), measure, failed[key]) for key, by_seed in accuracies.items()}
    averages: dict[str, Estimate] = {}
    if len(task_order) > 1:
        for method in method_order:
            means = list(seed_means({task: accuracies.get((method, task), {}) for task in task_order}).values())
            averages[method] = of_measure(means, measure, sum(failed.get((method, task), 0) for task in task_order))
    return Summary(
        rule=rule,
        tasks=tuple(task_order),
        methods=tuple(method_order),
        settings=settings,
        seeds=tuple(sorted({*seeds, *(result.seed for result in results)})),
        cells={
            (method, task): _flag(estimate, settings[method], _baseline(cells, settings, task))
            for (method, task), estimate in cells.items()
        },
        averages={
            method: _flag(estimate, settings[method], _average_baseline(averages, settings))
            for method, estimate in averages.items()
        },
        accuracies=accuracies,
        measure=measure,
        headline=headline,
        units=units or {},
    )


def settings_of(results: Sequence[CellResult]) -> dict[str, str]:
    """Which target labels each method trains on; where that differs between its runs, the most that any of them saw."""
    found: dict[str, dict[str, None]] = {}
    for result in results:
        found.setdefault(result.method, {})[result.setting] = None
    return {method: _most_labels(tuple(own)) for method, own in found.items()}


def _most_labels(settings: Sequence[str]) -> str:
    shots = [shots for setting in settings if (shots := shots_of(setting)) is not None]
    if len(shots) == len(settings) > 1:
        return f"few-shot ({min(shots)} to {max(shots)} per class)"
    return max(settings, key=labels_seen)


def seed_means(by_task: Mapping[str, Mapping[int, float]]) -> dict[int, float]:
    """Mean over tasks per seed, of the seeds that have a value on every task."""
    whole = sorted(set.intersection(*map(set, by_task.values()))) if by_task else []
    return {seed: float(np.mean([by_seed[seed] for by_seed in by_task.values()])) for seed in whole}


def gains(summary: Summary) -> dict[tuple[str, str], Estimate]:
    """By how much each method is better than source-only per column, paired by seed; empty without source-only.

    Train-on-target is left out, and a pair of which one seed alone has finished both is an estimate of one.
    """
    baseline = summary.baseline
    found: dict[tuple[str, str], Estimate] = {}
    for column, estimates in summary.columns.items():
        for method in summary.methods:
            if baseline is None or method == baseline or summary.settings[method] == TARGET_LABELS:
                continue
            if pairs := beside_source_only(summary, method, column):
                estimate = of_differences([summary.measure.better(own, start) for start, own in pairs], summary.measure)
                found[method, column] = replace(estimate, negative=estimates[method].negative)
    return found


def beside_source_only(summary: Summary, method: str, column: str) -> list[tuple[float, float]]:
    """Source-only's value and a method's, for each seed that has both; an average's seeds have them on every task."""
    if summary.baseline is None:
        return []
    tasks = summary.tasks if column == AVERAGE else (column,)
    start, own = (
        seed_means({task: summary.accuracies.get((m, task), {}) for task in tasks}) for m in (summary.baseline, method)
    )
    return [(start[seed], own[seed]) for seed in own if seed in start]


def negative_transfer(estimate: Estimate, source_only: Estimate) -> NegativeTransfer | None:
    """Whether a method is worse than not adapting at all.

    `apart` when its mean is below source-only's (above it where lower is better) and the 95% t intervals do not touch.
    Two seeds seldom reach that: then `two seeds` when their ranges do not touch. `one seed` has no interval, and is
    named whenever it is worse.
    """
    low, high = (estimate, source_only) if estimate.higher else (source_only, estimate)
    if low.mean is None or high.mean is None or low.mean >= high.mean:
        return None
    below, above = low.interval, high.interval
    if below is None or above is None or low.ci is None or high.ci is None:
        return "one seed"
    if low.mean + low.ci < high.mean - high.ci:
        return "apart"
    return "two seeds" if min(low.n, high.n) < FEWEST_SEEDS and below[1] < above[0] else None


def rules_of(results: Sequence[CellResult]) -> list[str]:
    """Selection rules that were recorded: the last step first, the oracle last."""
    found = dict.fromkeys(row["rule"] for result in results for row in result.rows)
    return sorted(found or ["last"], key=lambda rule: {"last": 0, "oracle": 2}.get(rule, 1))


def headline(results: Sequence[CellResult], planned: str = "") -> str:
    """The rule of the headline: label-free, and one that every finished run recorded, if there is one.

    What the plan names comes first, then the default rule, the best metric on the source, and the end of training. A
    table without some of the methods would mislead; the oracle comes only where there is nothing else.
    """
    recorded = rules_of(results)
    preferred = (
        planned,
        DEFAULT_RULE,
        *(f"source_{result.measures[0].name}" for result in results if result.rows),
        "last",
    )
    label_free = [*(rule for rule in preferred if rule in recorded), *(r for r in recorded if r != ORACLE)]
    finished = [{row["rule"] for row in result.rows} for result in results if result.rows]
    by_all = [rule for rule in label_free if all(rule in rules for rules in finished)]
    return next(iter([*by_all, *label_free]), ORACLE)


def of_measure(values: Sequence[float], measure: Measure, failed: int = 0) -> Estimate:
    """Mean and interval of one value of a metric per seed."""
    return replace(over_seeds(values, failed, *measure.ends), higher=measure.higher)


def of_differences(values: Sequence[float], measure: Measure) -> Estimate:
    """Mean and interval of one difference per seed of two values of a metric."""
    return over_seeds(values, 0, *measure.difference_ends)


def over_seeds(values: Sequence[float], failed: int = 0, floor: float = 0.0, ceiling: float = 1.0) -> Estimate:
    """Mean and interval of one value per seed, which cannot lie below `floor` or above `ceiling`."""
    return Estimate(
        mean=float(np.mean(values)) if values else None,
        ci=half_width(values),
        n=len(values),
        n_failed=failed,
        spread=(min(values), max(values)) if values else None,
        floor=floor,
        ceiling=ceiling,
    )


def _order(found: Sequence[str], wanted: Sequence[str]) -> list[str]:
    present = dict.fromkeys(found)
    return [*(name for name in wanted if name in present), *(name for name in present if name not in wanted)]


def place(setting: str) -> int:
    """Where a method stands in a table: source-only first, train-on-target last."""
    return {SOURCE_ONLY: 0, TARGET_LABELS: 2}.get(setting, 1)


def _baseline(cells: Mapping[tuple[str, str], Estimate], settings: Mapping[str, str], task: str) -> Estimate | None:
    return next((cells[m, t] for m, t in cells if t == task and settings[m] == SOURCE_ONLY), None)


def _average_baseline(averages: Mapping[str, Estimate], settings: Mapping[str, str]) -> Estimate | None:
    return next((averages[method] for method in averages if settings[method] == SOURCE_ONLY), None)


def _flag(estimate: Estimate, setting: str, source_only: Estimate | None) -> Estimate:
    if source_only is None or setting in (SOURCE_ONLY, TARGET_LABELS):
        return estimate
    negative = negative_transfer(estimate, source_only)
    return replace(estimate, negative=negative)
