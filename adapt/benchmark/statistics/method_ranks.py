"""Methods ranked over tasks: Friedman's test and Nemenyi's critical difference."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats

from adapt.benchmark.statistics.estimates import Summary
from adapt.benchmark.statistics.paired_tests import ALPHA, DECIMALS, over_units
from adapt.benchmark.vocabulary import SOURCE_ONLY, UNSUPERVISED

FEWEST_TASKS, FEWEST_METHODS = 3, 3


@dataclass(frozen=True)
class MethodRanks:
    """Average ranks of the methods over tasks, and whether they differ.

    Attributes:
        ranks: Average rank per method, best first; 1 is the best. Empty with a single task.
        tasks: Tasks that the ranks are over.
        left_out: Methods without target labels that lack a seed or a task, and are not ranked.
        statistic: Friedman's χ² with k − 1 degrees of freedom, corrected for ties.
        p: Its p.
        critical_difference: Nemenyi's, in ranks, at 0.05.
        why_not: Why there is no test; empty where there is one.
    """

    ranks: Mapping[str, float]
    tasks: int
    left_out: tuple[str, ...] = ()
    statistic: float | None = None
    p: float | None = None
    critical_difference: float | None = None
    why_not: str = ""

    @property
    def tested(self) -> bool:
        """Whether there were tasks and methods enough."""
        return not self.why_not

    def alike(self) -> list[tuple[str, ...]]:
        """Largest groups of methods whose ranks lie within one critical difference, best first."""
        if self.critical_difference is None:
            return []
        names, values = list(self.ranks), list(self.ranks.values())
        groups: list[tuple[int, int]] = []
        for first in range(len(names)):
            last = max(k for k in range(first, len(names)) if values[k] - values[first] <= self.critical_difference)
            if last > first and (not groups or last > groups[-1][1]):
                groups.append((first, last))
        return [tuple(names[first : last + 1]) for first, last in groups]


def rank_methods(summary: Summary) -> MethodRanks:
    """Rank source-only and the methods without target labels by their mean over seeds on each task.

    Friedman's test (https://doi.org/10.1080/01621459.1937.10503522) asks whether all are equal; after it, two methods
    differ where their average ranks are a critical difference apart (Demšar,
    https://jmlr.org/papers/v7/demsar06a.html). A method that failed on a task, or lost a seed that others have there,
    is left out, not the task: dropping tasks would favour the methods that fail on them, and a mean without the seed
    that failed would too. Tasks that share a pair of domains are averaged first.
    """
    table: dict[str, list[float]] = {}
    left_out = []
    candidates = [m for m in summary.methods if summary.settings[m] in (SOURCE_ONLY, UNSUPERVISED)]
    cells = summary.cells
    most = {
        task: max((cells[m, task].n for m in candidates if (m, task) in cells), default=0) for task in summary.tasks
    }
    for method in candidates:
        found = {task: cells[method, task] for task in summary.tasks if (method, task) in cells}
        if len(found) == len(most) and all(cell.n == most[task] > 0 for task, cell in found.items()):
            means = {(task, 0): cell.mean for task, cell in found.items() if cell.mean is not None}
            table[method] = over_units(means, summary.units)
        else:
            left_out.append(method)
    units = len({summary.units.get(task, task) for task in summary.tasks})
    n, k = units, len(table)
    if n < 2 or k < 2:
        ranks: dict[str, float] = {}
    else:
        scores = np.round(np.array(list(table.values())), DECIMALS)
        average = stats.rankdata(-scores if summary.measure.higher else scores, axis=0).mean(axis=1)
        ranks = dict(sorted(zip(table, map(float, average), strict=True), key=lambda item: item[1]))
    if n < FEWEST_TASKS:
        return MethodRanks(ranks, n, tuple(left_out), why_not=f"it needs {FEWEST_TASKS} tasks or more, found {n}")
    if k < FEWEST_METHODS:
        why = f"it needs {FEWEST_METHODS} methods or more with a result on every task, found {k}"
        return MethodRanks(ranks, n, tuple(left_out), why_not=why)
    if all((row == scores[0]).all() for row in scores):
        return MethodRanks(ranks, n, tuple(left_out), why_not="all methods have equal accuracies on every task")
    statistic, p = stats.friedmanchisquare(*scores)
    return MethodRanks(ranks, n, tuple(left_out), float(statistic), float(p), critical_difference(k, n))


def critical_difference(methods: int, tasks: int) -> float:
    """Nemenyi's critical difference of average ranks at 0.05, q √(k (k + 1) / 6N), with q = studentised range / √2."""
    q = float(stats.studentized_range.ppf(1 - ALPHA, methods, math.inf)) / math.sqrt(2)
    return q * _spread(methods, tasks)


def nemenyi(ranking: MethodRanks) -> dict[tuple[str, str], float]:
    """The p of every pair of ranked methods: the probability of a larger studentised range."""
    spread = _spread(len(ranking.ranks), ranking.tasks)
    return {
        (a, b): float(
            stats.studentized_range.sf(math.sqrt(2) * abs(rank_a - rank_b) / spread, len(ranking.ranks), math.inf)
        )
        for a, rank_a in ranking.ranks.items()
        for b, rank_b in ranking.ranks.items()
    }


def _spread(methods: int, tasks: int) -> float:
    return math.sqrt(methods * (methods + 1) / (6 * tasks))
