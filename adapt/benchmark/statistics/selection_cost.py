"""What each selection rule costs: accuracy under every rule, and the gap to the oracle."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from adapt.benchmark.statistics.estimates import Estimate, Summary, of_differences, seed_means
from adapt.benchmark.vocabulary import AVERAGE, ORACLE, SOURCE_ONLY, TARGET_LABELS
from adapt.measures import ACCURACY, Measure


@dataclass(frozen=True)
class SelectionCost:
    """The metric and its gaps under all selection rules, on one task or on the average over tasks.

    Attributes:
        task: The task, or `Average`.
        tasks: How many tasks it is over.
        rules: Column order: the last step first, the oracle last.
        methods: Row order.
        settings: Which target labels each method trains on.
        seeds: All seeds of the grid.
        accuracies: Estimate per method and rule.
        gaps: By how much the oracle is better than the rule per method and rule, of the same seeds; not of itself.
        means: Gap per rule, averaged over the methods that have one under every rule; references are not among them.
        averaged: Those methods.
        measure: The metric.
        headline: The metric of validation, by which the oracle picks.
    """

    task: str
    tasks: int
    rules: tuple[str, ...]
    methods: tuple[str, ...]
    settings: Mapping[str, str]
    seeds: tuple[int, ...]
    accuracies: Mapping[tuple[str, str], Estimate]
    gaps: Mapping[tuple[str, str], Estimate]
    means: Mapping[str, Estimate]
    averaged: tuple[str, ...]
    measure: Measure = ACCURACY
    headline: Measure = ACCURACY


def select(summaries: Sequence[Summary]) -> list[SelectionCost]:
    """The cost per task, and with several of them their average last.

    Args:
        summaries: The same results under different rules.
    """
    leading = summaries[0]
    return [_cost(summaries, column, leading.tasks if column == AVERAGE else (column,)) for column in leading.columns]


def _cost(summaries: Sequence[Summary], column: str, tasks: Sequence[str]) -> SelectionCost:
    leading, rules = summaries[0], [summary.rule for summary in summaries]
    measure = leading.measure
    columns = {summary.rule: summary.columns.get(column, {}) for summary in summaries}
    accuracies = {(method, rule): e for rule, estimates in columns.items() for method, e in estimates.items()}
    per_seed = {
        (m, summary.rule): seed_means({task: summary.accuracies.get((m, task), {}) for task in tasks})
        for m in leading.methods
        for summary in summaries
    }
    gaps: dict[tuple[str, str], dict[int, float]] = {}
    for (method, rule), found in per_seed.items():
        oracle = per_seed.get((method, ORACLE), {})
        gap = {seed: measure.better(oracle[seed], value) for seed, value in found.items() if seed in oracle}
        if rule != ORACLE and gap:
            gaps[method, rule] = gap
    chosen = [rule for rule in rules if rule != ORACLE]
    adapting = [m for m in leading.methods if leading.settings[m] not in (SOURCE_ONLY, TARGET_LABELS)]
    averaged = [m for m in adapting if all((m, rule) in gaps for rule in chosen)] if chosen else []
    common = sorted(set.intersection(*(set(gaps[m, rule]) for m in averaged for rule in chosen))) if averaged else []
    means = {
        rule: of_differences([float(np.mean([gaps[m, rule][seed] for m in averaged])) for seed in common], measure)
        for rule in chosen
    }
    return SelectionCost(
        task=column,
        tasks=len(tasks),
        rules=tuple(rules),
        methods=leading.methods,
        settings=leading.settings,
        seeds=leading.seeds,
        accuracies=accuracies,
        gaps={key: of_differences(list(gap.values()), measure) for key, gap in gaps.items()},
        means=means if common else {},
        averaged=tuple(averaged) if common else (),
        measure=measure,
        headline=leading.headline,
    )
