"""What a rule's correlation is compared with: chance, and a rule that knows the true accuracies.

The weighted Spearman correlation of independent numbers is not 0. Its weights single out what is high in either
ranking, and among those a high score goes with a lower accuracy: for two hundred checkpoints it is about −0.31. So
every correlation stands beside its own null.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from adapt.benchmark.statistics.rank_correlation import FEWEST_CHECKPOINTS, Vector, ranks, weighted_rows

DRAWS = 1000

FEWEST_SWAPPED = 5
"""Methods from which on swapping whole methods is a test: 5! orders reach a two-sided p of 2 / 120."""

_CEILING_DRAWS = 200
_MOST_SAMPLES = 100_000
_FEWEST_VALUES = 5
_ROWS = 40

# Accuracies come from single precision: k / n is off by up to this.
_SINGLE = 1.2e-7

_DIGIT = 1e-9

# Of accuracies that noise alone explains, the order is kept and next to nothing of the distance.
_LEAST_KEPT = 1e-3

Group = tuple[Vector, Vector, npt.NDArray[np.int64]]
"""Of one task: scores, accuracies, and the number of each checkpoint's method; sorted by method."""


@dataclass(frozen=True)
class Band:
    """What chance gives: mean and 95% band of a correlation averaged over tasks."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Chance:
    """A rule's correlation against its permutation null.

    Attributes:
        shuffled: Each task's scores shuffled over its checkpoints, as if those were independent.
        swapped: Whole methods swapped, in all tasks and seeds alike; None with too few methods.
        p: Two-sided p under `swapped`; None without it.
        p_holm: The same, Holm-corrected over the rules.
        above: Whether the correlation lies above the null's mean.
    """

    shuffled: Band
    swapped: Band | None
    p: float | None
    above: bool
    p_holm: float | None = None

    @property
    def band(self) -> Band:
        """The null that the test is made with, where there is a test."""
        return self.swapped or self.shuffled


@dataclass(frozen=True)
class Ceiling:
    """What a rule would reach that knows every checkpoint's true accuracy, while we know a measured one.

    Attributes:
        overall: Of the correlation over all methods and checkpoints.
        within: Of the correlation within a method; None where no method has three checkpoints.
        samples: Fewest and most target samples behind the accuracies of a task.
    """

    overall: Band
    within: Band | None
    samples: tuple[int, int]


class Orders:
    """Orders of the checkpoints of some tasks in which nothing that is said of a checkpoint belongs to it.

    They depend on how many checkpoints each method has, not on their scores: rules that score the same ones share
    them, and drawing them takes longer than using them.

    Args:
        numbers: One array per task: each checkpoint's method, sorted.
        draws: Permutations; they are seeded.

    Attributes:
        shuffled: By task, positions `(draws, n)`: checkpoints one by one.
        swapped: The same, whole methods, in all tasks alike; None with too few methods.
    """

    def __init__(self, numbers: Sequence[npt.NDArray[np.int64]], draws: int = DRAWS) -> None:
        rng = np.random.default_rng(0)
        self.shuffled = [_shuffles(len(own), draws, rng) for own in numbers]
        methods = int(max(own.max() for own in numbers)) + 1
        keys = rng.random((draws, methods))
        fewest = min(len(np.unique(own)) for own in numbers)
        self.swapped = None if fewest < FEWEST_SWAPPED else [_swaps(own, keys) for own in numbers]


def against_chance(
    groups: Sequence[Group], observed: float, draws: int = DRAWS, known: dict[bytes, Orders] | None = None
) -> Chance | None:
    """Compare a correlation, averaged over tasks, with what it would be if the scores said nothing.

    The test swaps whole methods, the same ones in every task and seed. Checkpoints of one method have similar scores
    and accuracies, in every task, so that shuffling them one by one would take them for independent and would call
    nearly any rule better or worse than chance.

    Args:
        groups: One per task with a correlation.
        observed: The rule's correlation.
        draws: Permutations; they are seeded.
        known: Orders of earlier calls with as many draws, and those of this one once it is done.

    Returns:
        None without a task.
    """
    usable = [group for group in groups if _defined(group[0], group[1])]
    if not usable:
        return None
    known = {} if known is None else known
    key = b"|".join(numbers.tobytes() for *_, numbers in usable)
    if key not in known:
        known[key] = Orders([numbers for *_, numbers in usable], draws)
    orders = known[key]
    shuffled = _null(usable, orders.shuffled)
    band, above = _band(shuffled), observed > float(shuffled.mean())
    if orders.swapped is None:
        return Chance(band, None, None, above)
    swapped = _null(usable, orders.swapped)
    # The order that was seen is among the permutations, but for the last digit of its sum.
    tails = (1 + (swapped >= observed - _DIGIT).sum(), 1 + (swapped <= observed + _DIGIT).sum())
    p = min(1.0, 2 * float(min(tails)) / (draws + 1))
    return Chance(band, _band(swapped), p, observed > float(swapped.mean()))


def ceiling(
    by_task: Mapping[str, Sequence[tuple[str, float]]],
    samples: Mapping[str, int],
    draws: int = _CEILING_DRAWS,
    *,
    exact: bool = False,
) -> Ceiling | None:
    """Simulate a perfect rule: it orders checkpoints by their true accuracy, and is correlated with a measured one.

    A measured accuracy is a binomial share of n samples. The true ones are taken to be the measured ones, drawn towards
    their mean until their variance and the noise's add up to what was seen. The noise is drawn for each checkpoint
    alone; checkpoints share their samples, so that their real order is less noisy than this: it is a low estimate.

    Args:
        by_task: Method and measured accuracy of each checkpoint, by task.
        samples: Target samples behind an accuracy, by task.
        draws: Simulated measurements; they are seeded.
        exact: Whether the accuracies are the true ones, such as those of a large test set.

    Returns:
        None where no task says how many samples there are.
    """
    rng = np.random.default_rng(0)
    overall: list[Vector] = []
    within: list[Vector] = []
    for task, found in by_task.items():
        measured = np.array([accuracy for _, accuracy in found])
        n = samples.get(task)
        if n is None or not _defined(measured, measured):
            continue
        true = measured if exact else _shrunk(measured, n)
        again = rng.binomial(n, true, size=(draws, len(true))) / n
        overall.append(_rows(true, again))
        methods = np.array([method for method, _ in found])
        for method in dict.fromkeys(methods.tolist()):
            own = methods == method
            if _defined(true[own], true[own]):
                within.append(_rows(true[own], again[:, own]))
    if not overall:
        return None
    counts = [samples[task] for task in by_task if task in samples]
    inside = _band(np.nanmean(within, axis=0)) if within else None
    return Ceiling(_band(np.nanmean(overall, axis=0)), inside, (min(counts), max(counts)))


def samples_behind(accuracies: Sequence[float]) -> int | None:
    """The smallest n of which all accuracies are shares k / n; None where there is none, or too few values to tell.

    Examples:
        >>> samples_behind([k / 200 for k in (3, 101, 57, 120, 199)])
        200
        >>> samples_behind([0.1234567, 0.2345678, 0.3456789, 0.4567891, 0.51])
    """
    values = np.unique(np.asarray(accuracies, float))
    values = values[(values > 0) & (values < 1)]
    if len(values) < _FEWEST_VALUES:
        return None
    values = values[np.linspace(0, len(values) - 1, min(40, len(values))).astype(int)]
    candidates = np.arange(2, _MOST_SAMPLES)
    for part in np.array_split(candidates, 50):
        counts = values[:, None] * part
        fits = (np.abs(counts - np.round(counts)) <= _SINGLE * part + 1e-9).all(axis=0)
        if fits.any():
            return int(part[fits.argmax()])
    return None


def _defined(x: Vector, y: Vector) -> bool:
    return len(x) >= FEWEST_CHECKPOINTS and bool(np.ptp(x) > 0) and bool(np.ptp(y) > 0)


def _shuffles(n: int, draws: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    return rng.random((draws, n)).argsort(axis=1)


def _swaps(numbers: npt.NDArray[np.int64], keys: Vector) -> npt.NDArray[np.int64]:
    """Positions `(draws, n)` that take each checkpoint's score from another method's checkpoint of the same place."""
    present, block = np.unique(numbers, return_inverse=True)
    lengths = np.bincount(block)
    starts = np.concatenate([[0], lengths.cumsum()[:-1]])
    place = np.arange(len(numbers)) - starts[block]
    other = keys[:, present].argsort(axis=1)[:, block]
    # Where a method has fewer checkpoints than another, places are stretched.
    found: npt.NDArray[np.int64] = starts[other] + place * lengths[other] // lengths[block]
    return found


def _null(groups: Sequence[Group], orders: Sequence[npt.NDArray[np.int64]]) -> Vector:
    found = []
    for (scores, accuracies, _), order in zip(groups, orders, strict=True):
        (shared, dense), of_accuracies = ranks(scores), ranks(accuracies)
        # A few rows at a time stay in the processor's cache.
        rows = [slice(start, start + _ROWS) for start in range(0, len(order), _ROWS)]
        found.append(np.concatenate([weighted_rows(shared[order[r]], dense[order[r]], *of_accuracies) for r in rows]))
    mean: Vector = np.nanmean(found, axis=0)
    return mean


def _rows(true: Vector, again: Vector) -> Vector:
    shared, dense = (stats.rankdata(again, method=how, axis=1).astype(float) for how in ("average", "dense"))
    return weighted_rows(shared, dense, *ranks(true))


def _band(values: Vector) -> Band:
    low, high = np.nanquantile(values, [0.025, 0.975])
    return Band(float(np.nanmean(values)), float(low), float(high))


def _shrunk(measured: Vector, n: int) -> Vector:
    noise = float((measured * (1 - measured)).mean()) / n
    seen = float(measured.var())
    kept = max(_LEAST_KEPT, math.sqrt(max(0.0, 1 - noise / seen)))
    true: Vector = np.clip(measured.mean() + kept * (measured - measured.mean()), 0, 1)
    return true
