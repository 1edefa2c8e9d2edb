"""Which differences between methods are more than chance: paired tests, and effect sizes beside them."""

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
        n: Pairs of the same task and seed.
        better: Pairs with a positive difference.
        worse: Pairs with a negative difference.
        mean: Mean difference; None without pairs.
        by_seed: Estimate over seeds of the differences averaged over tasks, which has its interval; None where the
            seeds do not cover the same tasks.
        median: Median difference.
        p: Two-sided p of the Wilcoxon signed-rank test; None with too few pairs to reach 0.05.
        p_holm: The same, Holm-corrected over the methods beside it.
        effect: Matched-pairs rank-biserial correlation in [−1, 1].
    """

    method: str
    n: int
    better: int
    worse: int
    mean: float | None
    by_seed: Estimate | None
    median: float | None
    p: float | None
    p_holm: float | None
    effect: float | None

    @property
    def ci(self) -> float | None:
        """Half-width of the mean's 95% interval over seeds; None with fewer than two."""
        return None if self.by_seed is None else self.by_seed.ci

    @property
    def verdict(self) -> str:
        """`better` or `worse` with a Holm-corrected p below 0.05, else nothing."""
        if self.p_holm is None or self.p_holm >= ALPHA or not self.effect:
            return ""
        return "better" if self.effect > 0 else "worse"


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
    return compare({method: paired(found[method], found[baseline], measure) for method in methods}, measure)


def target_values(results: Sequence[CellResult], method: str, rule: str, measure: Measure) -> dict[Pair, float]:
    """A metric on the target per task and seed of one method under one rule, where there is one."""
    found = {(r.task, r.seed): r.value(rule, measure.name) for r in results if r.method == method}
    return {pair: value for pair, value in found.items() if value is not None}


def paired(first: Mapping[Pair, float], second: Mapping[Pair, float], measure: Measure = ACCURACY) -> dict[Pair, float]:
    """By how much the first is better than the second, wherever both have a value."""
    return {pair: measure.better(first[pair], second[pair]) for pair in first if pair in second}


def compare(differences: Mapping[str, Mapping[Pair, float]], measure: Measure = ACCURACY) -> tuple[Comparison, ...]:
    """Test the paired differences of each method, with Holm's correction over all that could be tested."""
    comparisons = [_comparison(method, found, measure) for method, found in differences.items()]
    corrected = iter(holm([c.p for c in comparisons if c.p is not None]))
    return tuple(c if c.p is None else replace(c, p_holm=next(corrected)) for c in comparisons)


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


def _comparison(method: str, differences: Mapping[Pair, float], measure: Measure) -> Comparison:
    values = list(differences.values())
    nonzero = _nonzero(values)
    return Comparison(
        method=method,
        n=len(values),
        better=int((nonzero > 0).sum()),
        worse=int((nonzero < 0).sum()),
        mean=float(np.mean(values)) if values else None,
        by_seed=_over_seeds(differences, measure),
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
