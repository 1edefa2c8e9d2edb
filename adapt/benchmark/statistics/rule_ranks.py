"""Which rule ranks checkpoints best: every validation of a grid, score beside the target's headline metric."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from adapt.benchmark.results.metrics import metrics_file, read_metrics
from adapt.benchmark.results.results import CellResult
from adapt.benchmark.statistics.chance import Ceiling, Chance, Group, Orders, against_chance, ceiling, samples_behind
from adapt.benchmark.statistics.estimates import Estimate
from adapt.benchmark.statistics.paired_tests import holm
from adapt.benchmark.statistics.rank_correlation import Correlation, correlate
from adapt.benchmark.statistics.selection_cost import SelectionCost
from adapt.benchmark.vocabulary import LAST, ORACLE, TARGET_LABELS
from adapt.measures import ACCURACY, Measure
from adapt.selection import OWN, rules_by

FEWEST_PAIRS = 6
"""Pairs of task and seed below which there is no interval."""

_DRAWS = 1000


@dataclass(frozen=True)
class Checkpoint:
    """One validation of one run: its headline on the target's validation set, and by rule the scores that it has.

    All are signed such that higher is better. `tested` is the same on the test set, where a rule picked the checkpoint.
    """

    task: str
    method: str
    seed: int
    step: int
    accuracy: float
    scores: Mapping[str, float]
    tested: float | None = None


@dataclass(frozen=True)
class Quality:
    """How well one rule ranks.

    Attributes:
        rule: The rule.
        weighted: Weighted Spearman correlation over all methods and checkpoints of a task, averaged over tasks; None
            where no task has one.
        plain: The same without weights.
        interval: 95% bootstrap interval of `weighted`; None with too few tasks and seeds.
        within: Weighted correlation over the checkpoints of one method on one task, averaged over both.
        gap: Oracle minus rule in test accuracy, mean of methods; None where it was not recorded.
        tasks: Correlation per task.
        methods: Correlation per task and method.
        checkpoints: Checkpoints with a score.
        left_out: Checkpoints without one.
        chance: `weighted` against its permutation null; None where it is.
    """

    rule: str
    weighted: float | None
    plain: float | None
    interval: tuple[float, float] | None
    within: float | None
    gap: Estimate | None
    tasks: Mapping[str, Correlation]
    methods: Mapping[tuple[str, str], Correlation]
    checkpoints: int
    left_out: int
    chance: Chance | None = None


@dataclass(frozen=True)
class RuleRanks:
    """The rules of a grid, best first, and what they were ranked on.

    Attributes:
        qualities: By weighted correlation, those without one last; never the oracle.
        checkpoints: All that have a target accuracy.
        pairs: Pairs of task and seed among them.
        measure: The headline, which the checkpoints have of the target.
        gaps_of: The metric of the gaps.
        ceiling: What a perfect rule would reach, where the accuracies tell how many samples they are over.
        on_test: Whether the checkpoints' accuracies are those of the test set.
    """

    qualities: tuple[Quality, ...]
    checkpoints: tuple[Checkpoint, ...]
    pairs: int
    measure: Measure = ACCURACY
    gaps_of: Measure = ACCURACY
    ceiling: Ceiling | None = None
    on_test: bool = False

    @property
    def tasks(self) -> tuple[str, ...]:
        """Tasks with checkpoints."""
        return tuple(dict.fromkeys(c.task for c in self.checkpoints))

    @property
    def methods(self) -> tuple[str, ...]:
        """Methods with checkpoints."""
        return tuple(dict.fromkeys(c.method for c in self.checkpoints))

    @property
    def best(self) -> Quality | None:
        """The rule that ranks best, if any has a correlation."""
        return next((q for q in self.qualities if q.weighted is not None), None)


def read_checkpoints(results: Sequence[CellResult]) -> list[Checkpoint]:
    """Every validation of every finished run, out of `metrics.csv`; a run whose file is missing or broken has none.

    Runs that train on all target labels are left out: nobody without labels chooses among them.
    """
    return [
        Checkpoint(result.task, result.method, result.seed, step, accuracy, scores, _tested(result, step))
        for result in results
        if result.status == "ok" and result.setting != TARGET_LABELS
        for step, accuracy, scores in _validations(metrics_file(result.directory), result.measures[0])
    ]


def rank_rules(checkpoints: Sequence[Checkpoint], selection: SelectionCost, measure: Measure = ACCURACY) -> RuleRanks:
    """Rank the rules of a selection, and those that have scores alone, by weighted Spearman correlation.

    The interval is a percentile bootstrap with 1000 seeded draws: tasks are drawn with replacement, then the seeds of
    each, and the correlations computed anew. Where every checkpoint was tested, which is so where a run is validated
    once, scores are correlated with the test set's accuracies: those of a validation set are noisier, and the oracle
    has seen them.

    Args:
        checkpoints: What the scores are compared on.
        selection: The gaps; of several tasks the average.
        measure: What the checkpoints have of the target.
    """
    on_test = bool(checkpoints) and all(c.tested is not None for c in checkpoints)
    if on_test:
        checkpoints = [replace(c, accuracy=c.tested if c.tested is not None else c.accuracy) for c in checkpoints]
    scored = dict.fromkeys(rule for c in checkpoints for rule in c.scores)
    rules = dict.fromkeys(rule for rule in [*selection.rules, *scored] if rule != ORACLE)
    known: dict[bytes, Orders] = {}
    qualities = [_quality(rule, checkpoints, selection.means.get(rule), known) for rule in rules]
    worst = -math.inf
    corrected = iter(holm([q.chance.p for q in qualities if q.chance is not None and q.chance.p is not None]))
    qualities = [
        q if q.chance is None or q.chance.p is None else replace(q, chance=replace(q.chance, p_holm=next(corrected)))
        for q in qualities
    ]
    qualities.sort(key=lambda q: worst if q.weighted is None else q.weighted, reverse=True)
    pairs = len({(c.task, c.seed) for c in checkpoints})
    reached = _ceiling(checkpoints) if measure.share and measure.higher else None
    return RuleRanks(tuple(qualities), tuple(checkpoints), pairs, measure, selection.measure, reached, on_test)


def _quality(rule: str, checkpoints: Sequence[Checkpoint], gap: Estimate | None, known: dict[bytes, Orders]) -> Quality:
    by_task: dict[str, dict[int, list[Checkpoint]]] = {}
    by_method: dict[tuple[str, str], list[Checkpoint]] = {}
    for c in checkpoints:
        by_task.setdefault(c.task, {}).setdefault(c.seed, []).append(c)
        by_method.setdefault((c.task, c.method), []).append(c)
    scored = rule != LAST
    tasks = {t: _correlation(rule, [c for own in seeds.values() for c in own]) for t, seeds in by_task.items()}
    methods = {key: _correlation(rule, own) for key, own in by_method.items()}
    weighted = _mean(found.weighted for found in tasks.values())
    return Quality(
        rule=rule,
        weighted=weighted,
        plain=_mean(found.plain for found in tasks.values()),
        interval=None if weighted is None else _interval(rule, by_task),
        within=_mean(found.weighted for found in methods.values()),
        gap=gap,
        tasks=tasks if scored else {},
        methods=methods if scored else {},
        checkpoints=sum(found.n for found in tasks.values()),
        left_out=sum(found.left_out for found in tasks.values()) if scored else 0,
        chance=None if weighted is None else against_chance(_groups(rule, by_task), weighted, known=known),
    )


def _groups(rule: str, by_task: Mapping[str, Mapping[int, Sequence[Checkpoint]]]) -> list[Group]:
    names = sorted({c.method for seeds in by_task.values() for own in seeds.values() for c in own})
    numbers = {method: number for number, method in enumerate(names)}
    groups = []
    for seeds in by_task.values():
        found = [c for own in seeds.values() for c in own if math.isfinite(c.scores.get(rule, math.nan))]
        found.sort(key=lambda c: (numbers[c.method], c.seed, c.step))
        scores, accuracies = (
            np.array(values, float) for values in ([c.scores[rule] for c in found], [c.accuracy for c in found])
        )
        groups.append((scores, accuracies, np.array([numbers[c.method] for c in found], np.int64)))
    return groups


def _ceiling(checkpoints: Sequence[Checkpoint]) -> Ceiling | None:
    by_task: dict[str, list[tuple[str, float]]] = {}
    for c in checkpoints:
        by_task.setdefault(c.task, []).append((c.method, c.accuracy))
    sizes = {task: samples_behind([accuracy for _, accuracy in found]) for task, found in by_task.items()}
    return ceiling(by_task, {task: n for task, n in sizes.items() if n is not None})


def _tested(result: CellResult, step: int) -> float | None:
    # Metrics count steps from 0, checkpoints from 1. Weights that are averaged at the end share a step with others.
    name = f"target_{result.measures[0].name}"
    found = {row[name] for row in result.rows if row["step"] == step + 1}
    return None if len(found) != 1 else (1 if result.measures[0].higher else -1) * float(found.pop())


def _correlation(rule: str, checkpoints: Sequence[Checkpoint]) -> Correlation:
    scores = [c.scores.get(rule, math.nan) for c in checkpoints]
    return correlate(scores, [c.accuracy for c in checkpoints])


def _interval(rule: str, by_task: Mapping[str, Mapping[int, Sequence[Checkpoint]]]) -> tuple[float, float] | None:
    groups = [list(seeds.values()) for seeds in by_task.values()]
    if sum(map(len, groups)) < FEWEST_PAIRS:
        return None
    rng = np.random.default_rng(0)
    drawn = rng.integers(len(groups), size=(_DRAWS, len(groups)))
    uniform = rng.random((_DRAWS, len(groups), max(map(len, groups))))
    # Three seeds make but ten samples with replacement: each is computed once.
    known: dict[tuple[int, tuple[int, ...]], float | None] = {}
    means = []
    for tasks, shares in zip(drawn.tolist(), uniform, strict=True):
        values = []
        for task, share in zip(tasks, shares, strict=True):
            seeds = groups[task]
            chosen = tuple(sorted((share[: len(seeds)] * len(seeds)).astype(int).tolist()))
            if (task, chosen) not in known:
                known[task, chosen] = _correlation(rule, [c for k in chosen for c in seeds[k]]).weighted
            values.append(known[task, chosen])
        if (mean := _mean(values)) is not None:
            means.append(mean)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def _mean(values: Iterable[float | None]) -> float | None:
    found = [value for value in values if value is not None]
    return float(np.mean(found)) if found else None


def _validations(path: Path, headline: Measure) -> list[tuple[int, float, dict[str, float]]]:
    curves = read_rules(path, headline)
    return [
        (step, accuracy, {rule: curve[step] for rule, curve in curves.items() if rule != ORACLE and step in curve})
        for step, accuracy in sorted(curves.get(ORACLE, {}).items())
    ]


def read_rules(path: Path, headline: Measure) -> dict[str, dict[int, float]]:
    """Rule → step → what it looks at, signed such that higher is better; empty where the file is missing or broken.

    Args:
        path: A run's metrics file.
        headline: The metric that it logs on both domains.
    """
    metrics = read_metrics(path)
    own = [name.removeprefix(OWN) for name in metrics if name.startswith(OWN)]
    return {
        rule: {step: value if looks.mode == "max" else -value for step, value in metrics[looks.metric].items()}
        for rule, looks in rules_by(headline, own=own).items()
        if looks is not None and looks.metric in metrics
    }
