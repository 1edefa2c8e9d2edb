"""Shared parts of the estimators: input in double precision, Gaussian basis functions, and the bandwidth."""

import torch
from torch import Tensor

from adapt.errors import AdaptError
from adapt.losses.inputs import feature_pair

# With more samples the median hardly changes, and the number of distances grows quadratically.
_MEDIAN_SAMPLES = 1000


def double_pair(estimator: str, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """The features of both domains in double precision on the CPU, so that the same input gives the same weights.

    Args:
        estimator: Name of the estimator, for the message.
        source: Features `(N, d)`.
        target: Features `(M, d)`; N ≠ M is allowed.

    Raises:
        AdaptError: The shapes do not fit, a domain has fewer than 2 samples, or a value is not finite.
    """
    pair = feature_pair(estimator, source, target)
    for name, x in zip(("source", "target"), pair, strict=True):
        bad = int((~torch.isfinite(x)).any(1).sum())
        if bad:
            raise AdaptError(f"{estimator} expects finite features, found NaN or infinity in {bad} {name} samples.")
    first, second = (x.detach().cpu().double() for x in pair)
    return first, second


def bandwidth_of(estimator: str, source: Tensor, target: Tensor, bandwidth: float | None, seed: int) -> float:
    """The given bandwidth, or the median squared distance between different samples of both domains.

    Args:
        estimator: Name of the estimator, for the message.
        source: Features `(N, d)`.
        target: Features `(M, d)`.
        bandwidth: The width b of exp(−d²/b), in squared feature units; None for the median.
        seed: Seed for drawing the samples for the median, at most 1000 of each domain.

    Raises:
        AdaptError: The bandwidth is not positive, or more than half of all pairs coincide.
    """
    if bandwidth is None:
        pooled = torch.cat([drawn(x, _MEDIAN_SAMPLES, seed) for x in (source, target)])
        bandwidth = float(torch.nn.functional.pdist(pooled).square().median())
        if bandwidth == 0:
            raise AdaptError(f"{estimator} expects features that differ, found most pairs equal. Give a bandwidth.")
    if bandwidth <= 0:
        raise AdaptError(f"{estimator} expects a bandwidth above 0, found {bandwidth}.")
    return bandwidth


def drawn(x: Tensor, count: int, seed: int) -> Tensor:
    """At most `count` rows of `x`, in their order, drawn without replacement."""
    if len(x) <= count:
        return x
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    return x[order[:count].sort().values]


def gaussians(x: Tensor, centres: Tensor, bandwidth: float) -> Tensor:
    """Basis functions exp(−‖x_i − c_l‖²/b).

    Args:
        x: Points `(N, d)`.
        centres: Centres `(L, d)`.
        bandwidth: The width b, in squared feature units.

    Returns:
        Values `(N, L)` in [0, 1].
    """
    return torch.exp(-torch.cdist(x, centres).square() / bandwidth)
