"""Which differences between methods are more than chance: paired tests, and effect sizes beside them.

The unit is the task. Seeds of one task share its data, and a method that is good on a task is good there with most
seeds: three seeds of twelve tasks are twelve observations, not thirty-six. Differences are averaged over the seeds of a
task first, and tasks that share a pair of domains over that pair.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import stats

from adapt.benchmark.results.results import CellResult
from adapt.benchmark.statistics.estimates import Estimate, Summary, of_differences
from adapt.benchmark.vocabulary import TARGET_LABELS
from adapt.measures import ACCURACY, Measure

ALPHA = 0.05

Pair = tuple[str, int]

# Accuracies come from single precision: without rounding, equal differences are ties or not by the seventh digit.
DECIMALS = 6


@dataclass(frozen=True)
class Comparison:
    """Paired differences of one method in a metric, positive where it is better.

    Attributes:
        method: The method.
        n: Tasks that it is over; those that share a pair of domains count once.
        runs: Pairs of the same task and seed behind them.
        better: Tasks with a positive difference.
        worse: Tasks with a negative difference.
        mean: Mean difference over tasks; None without pairs.
        estimate: The mean with its interval: over tasks where there are enough for a test, else over seeds, which says
            how far runs on these tasks vary. None where there are too few tasks and the seeds do not cover the same.
        median: Median difference over tasks.
        p: Two-sided p of the Wilcoxon signed-rank test; None with too few tasks for any verdict.
        p_holm: The same, Holm-corrected over the methods beside it.
        effect: Matched-pairs rank-biserial correlation in [−1, 1].
    """

    method: str
    n: int
    runs: int
    better: int
    worse: int
    mean: float | None
    estimate: Estimate | None
    median: float | None
    p: float | None
    p_holm: float | None
    effect: float | None

    @property
    def ci(self) -> float | None:
        """Half-width of the mean's 95% interval; None without one."""
        return None if self.estimate is None else self.estimate.ci

    @property
    def over_tasks(self) -> bool:
        """Whether the interval is over tasks."""
        return self.n >= fewest_pairs(1)

    @property
    def verdict(self) -> str:
        """`better` or `worse` with a Holm-corrected p below 0.05 and an interval on that side of zero, else nothing."""
        if self.p_holm is None or self.p_holm >= ALPHA or not self.effect or self.estimate is None:
            return ""
        low, high = self.estimate.interval or (0.0, 0.0)
        if self.effect > 0:
            return "better" if low > 0 else ""
        return "worse" if high < 0 else ""


def against_source_only(summary: Summary) -> tuple[Comparison, ...]:
    """Every method but train-on-target against source-only, paired by task and seed, under the summary's rule.

    Empty without source-only, or without a method beside it.
    """
    baseline = summary.baseline
    if baseline is None:
        return ()
    found: dict[str, dict[Pair, float]] = {method: {} for method in summary.methods}
    for (method, task), by_seed in summary.accuracies.items():
        found[method] |= {(task, seed): accuracy for seed, accuracy in by_seed.items()}
    methods = [m for m in summary.methods if m != baseline and summary.settings[m] != TARGET_LABELS]
    measure = summary.measure
    differences = {method: paired(found[method], found[baseline], measure) for method in methods}
    return compare(differences, measure, summary.units)


def target_values(results: Sequence[CellResult], method: str, rule: str, measure: Measure) -> dict[Pair, float]:
    """A metric on the target per task and seed of one method under one rule, where there is one."""
    found = {(r.task, r.seed): r.value(rule, measure.name) for r in results if r.method == method}
    return {pair: value for pair, value in found.items() if value is not None}


def paired(first: Mapping[Pair, float], second: Mapping[Pair, float], measure: Measure = ACCURACY) -> dict[Pair, float]:
    """By how much the first is better than the second, wherever both have a value."""
    return {pair: measure.better(first[pair], second[pair]) for pair in first if pair in second}


def compare(
    differences: Mapping[str, Mapping[Pair, float]], measure: Measure = ACCURACY, units: Mapping[str, str] | None = None
) -> tuple[Comparison, ...]:
    """Test the paired differences of each method over tasks, with Holm's correction over all that could be tested.

    Where there are so few tasks that no corrected p can fall below 0.05, however large the differences are, there is
    none: a verdict is not possible, and a p would only look like one.

    Args:
        differences: By method, the difference per task and seed.
        measure: The metric.
        units: Task → what it shares with others, such as a pair of domains; a task that is not named is one alone.
    """
    comparisons = [_comparison(method, found, measure, units or {}) for method, found in differences.items()]
    tested = [c.n for c in comparisons if c.p is not None]
    if not tested or max(tested) < fewest_pairs(len(tested)):
        return tuple(replace(c, p=None) for c in comparisons)
    corrected = iter(holm([c.p for c in comparisons if c.p is not None]))
    return tuple(c if c.p is None else replace(c, p_holm=next(corrected)) for c in comparisons)


def over_units(differences: Mapping[Pair, float], units: Mapping[str, str]) -> list[float]:
    """Mean over seeds per task, then over the tasks of each unit."""
    by_task: dict[str, list[float]] = {}
    for (task, _), value in differences.items():
        by_task.setdefault(task, []).append(value)
    by_unit: dict[str, list[float]] = {}
    for task, values in by_task.items():
        by_unit.setdefault(units.get(task, task), []).append(float(np.mean(values)))
    return [float(np.mean(means)) for means in by_unit.values()]


def wilcoxon(differences: Sequence[float]) -> float | None:
    """Two-sided p of the Wilcoxon signed-rank test (https://doi.org/10.2307/3001968), without the zeros.

    SciPy chooses between the exact distribution and the normal approximation. None where even differences of one sign
    would not reach 0.05, and 1 where all are zero.
    """
    if smallest_p(len(differences)) > ALPHA:
        return None
    nonzero = _nonzero(differences)
    return float(stats.wilcoxon(nonzero).pvalue) if len(nonzero) else 1.0


def smallest_p(n: int) -> float:
    """The smallest two-sided p that n pairs can reach in a signed-rank test, 2 / 2ⁿ."""
    return min(1.0, 2.0 / 2.0**n)


def fewest_pairs(tests: int) -> int:
    """Pairs with which a p can fall below 0.05 after Holm's correction even when no other test's does."""
    return math.ceil(math.log2(2 * tests / ALPHA))


def holm(p: Sequence[float]) -> list[float]:
    """Holm's step-down correction (https://www.jstor.org/stable/4615733): max over j ≤ i of min(1, (m − j + 1) pⱼ)."""
    order = np.argsort(p, kind="stable")
    corrected, highest = [0.0] * len(p), 0.0
    for position, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p) - position) * p[index]))
        corrected[index] = highest
    return corrected


def rank_biserial(differences: Sequence[float]) -> float:
    """Matched-pairs rank-biserial correlation (https://doi.org/10.2466/11.IT.3.1): (W₊ − W₋) / (W₊ + W₋).

    Zeros are left out. 1 when every difference is positive, −1 when every one is negative, 0 when the rank sums are
    equal.
    """
    nonzero = _nonzero(differences)
    if not len(nonzero):
        return 0.0
    ranks = stats.rankdata(np.abs(nonzero))
    return float((ranks * np.sign(nonzero)).sum() / ranks.sum())


def _comparison(
    method: str, differences: Mapping[Pair, float], measure: Measure, units: Mapping[str, str]
) -> Comparison:
    values = over_units(differences, units)
    nonzero = _nonzero(values)
    enough = len(values) >= fewest_pairs(1)
    return Comparison(
        method=method,
        n=len(values),
        runs=len(differences),
        better=int((nonzero > 0).sum()),
        worse=int((nonzero < 0).sum()),
        mean=float(np.mean(values)) if values else None,
        estimate=of_differences(values, measure) if enough else _over_seeds(differences, measure),
        median=float(np.median(values)) if values else None,
        p=wilcoxon(values),
        p_holm=None,
        effect=rank_biserial(values) if values else None,
    )


def _over_seeds(differences: Mapping[Pair, float], measure: Measure) -> Estimate | None:
    by_seed: dict[int, dict[str, float]] = {}
    for (task, seed), value in differences.items():
        by_seed.setdefault(seed, {})[task] = value
    # Averages over different tasks differ because the tasks do.
    if len({frozenset(of_tasks) for of_tasks in by_seed.values()}) != 1:
        return None
    return of_differences([float(np.mean(list(of_tasks.values()))) for of_tasks in by_seed.values()], measure)


def _nonzero(differences: Sequence[float]) -> npt.NDArray[np.float64]:
    rounded = np.round(np.asarray(differences, dtype=float), DECIMALS)
    nonzero: npt.NDArray[np.float64] = rounded[rounded != 0]
    return nonzero
