"""How well a score ranks checkpoints: weighted and plain Spearman correlation with the target accuracy."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from adapt.errors import AdaptError

FEWEST_CHECKPOINTS = 3

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Correlation:
    """A score against the target accuracy of the same checkpoints.

    Attributes:
        weighted: Weighted Spearman correlation; None where it is undefined.
        plain: Spearman correlation, likewise.
        n: Checkpoints that it is over.
        left_out: Checkpoints whose score is missing or not finite.
        reason: Why it is undefined.
    """

    weighted: float | None
    plain: float | None
    n: int
    left_out: int = 0
    reason: str | None = None


def correlate(scores: Sequence[float], accuracies: Sequence[float]) -> Correlation:
    """Both correlations over the checkpoints whose score is finite, or the reason why there are none.

    Args:
        scores: One per checkpoint `(n,)`, higher is better; NaN where there is none.
        accuracies: Target accuracies of the same checkpoints `(n,)`.
    """
    x, y = np.asarray(scores, float), np.asarray(accuracies, float)
    kept = np.isfinite(x) & np.isfinite(y)
    x, y = x[kept], y[kept]
    left_out = int((~kept).sum())
    try:
        x, y = _checked(x, y)
    except AdaptError as error:
        return Correlation(None, None, len(x), left_out, str(error))
    # A bootstrap spends its time here: every vector is sorted once, for both kinds of its ranks.
    (first, first_dense), (second, second_dense) = ranks(x), ranks(y)
    weights = _top_weights(first_dense, second_dense)
    plain = weighted_pearson(first, second, np.ones(len(x)))
    return Correlation(weighted_pearson(first, second, weights), plain, len(x), left_out)


def weighted_spearman(scores: npt.ArrayLike, accuracies: npt.ArrayLike) -> float:
    r"""Spearman correlation in which checkpoints count more that are, or look, good.

    Musgrave et al., [Three New Validators and a Large-Scale Benchmark Ranking for Unsupervised Domain Adaptation]
    (https://arxiv.org/abs/2208.07360), first called Benchmarking Validation Methods. A rule picks the top of a ranking,
    so that a poor checkpoint with a high score, or a good one with a low score, must cost more than disorder at the
    bottom:

        ρ_w = Σ wᵢ (xᵢ − x̄)(yᵢ − ȳ) / √(Σ wᵢ (xᵢ − x̄)² · Σ wᵢ (yᵢ − ȳ)²)

    with x, y the ranks of scores and accuracies (ties share their mean rank), x̄, ȳ their means under w, and
    `w = top_weights(scores, accuracies)`. The authors' program weights the ranks themselves as well; here they are
    the ordinary ones, so that with equal weights this is Spearman's ρ, ties included.

    Args:
        scores: One per checkpoint `(n,)`, higher is better.
        accuracies: Target accuracies `(n,)`.

    Returns:
        A number in [−1, 1]. Independent scores have about −0.31, not 0 (`adapt.benchmark.statistics.chance`).

    Raises:
        AdaptError: Fewer than three checkpoints, a value that is not finite, or no differences among the values.
    """
    x, y = _checked(scores, accuracies)
    return weighted_pearson(ranks(x)[0], ranks(y)[0], top_weights(x, y))


def top_weights(scores: npt.ArrayLike, accuracies: npt.ArrayLike) -> Vector:
    """Weights `(n,)` in (0, 1]: wᵢ = max(rᵢ / max r, sᵢ / max s)², of dense ranks r of scores and s of accuracies."""
    return _top_weights(*(ranks(np.asarray(values, float))[1] for values in (scores, accuracies)))


def weighted_pearson(x: npt.ArrayLike, y: npt.ArrayLike, weights: npt.ArrayLike) -> float:
    """Pearson correlation of x and y `(n,)` under weights `(n,)`; neither may be constant."""
    w = np.asarray(weights, float)
    a, b = (v - np.average(v, weights=w) for v in (np.asarray(x, float), np.asarray(y, float)))
    return float(np.clip((w * a * b).sum() / np.sqrt((w * a**2).sum() * (w * b**2).sum()), -1.0, 1.0))


def weighted_rows(x: Vector, x_dense: Vector, y: Vector, y_dense: Vector) -> Vector:
    """`weighted_spearman` of each row `(draws,)`, out of ranks that ties share and dense ranks; NaN where undefined.

    Args:
        x: Ranks of one side `(draws, n)`.
        x_dense: Its dense ranks `(draws, n)`.
        y: Ranks of the other side `(n,)`.
        y_dense: Its dense ranks `(n,)`.
    """
    weights = np.maximum(x_dense / x_dense.max(axis=1, keepdims=True), y_dense / y_dense.max()) ** 2
    total = weights.sum(axis=1)
    xs, ys, xy = (weights * x).sum(axis=1), weights @ y, (weights * x) @ y
    xx, yy = (weights * x**2).sum(axis=1), weights @ y**2
    spread = (xx - xs**2 / total) * (yy - ys**2 / total)
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Vector = np.clip((xy - xs * ys / total) / np.sqrt(spread), -1.0, 1.0)
    return found


def _top_weights(first: Vector, second: Vector) -> Vector:
    weights: Vector = np.maximum(first / first.max(), second / second.max()) ** 2
    return weights


def ranks(values: Vector) -> tuple[Vector, Vector]:
    """Ranks from 1 on, of which ties share the mean, and dense ranks, of which ties share one without a gap after."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    shared: Vector = np.cumsum(counts) - (counts - 1) / 2
    dense: Vector = np.asarray(places + 1, np.float64)
    return shared[places], dense


def _checked(scores: npt.ArrayLike, accuracies: npt.ArrayLike) -> tuple[Vector, Vector]:
    x, y = np.asarray(scores, np.float64), np.asarray(accuracies, np.float64)
    if x.ndim != 1 or x.shape != y.shape:
        raise AdaptError(f"Expected a score and an accuracy per checkpoint, found shapes {x.shape} and {y.shape}.")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise AdaptError("Expected finite scores and accuracies: leave the other checkpoints out.")
    if len(x) < FEWEST_CHECKPOINTS:
        raise AdaptError(f"fewer than {FEWEST_CHECKPOINTS} checkpoints ({len(x)})")
    for name, values in (("score", x), ("accuracy", y)):
        if np.ptp(values) == 0:
            raise AdaptError(f"constant {name} ({values[0]:.4g} at all {len(values)} checkpoints)")
    return x, y
