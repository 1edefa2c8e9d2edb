"""Moments of several sources and of the target."""

from collections.abc import Sequence

import torch
from torch import Tensor

from adapt.errors import AdaptError
from adapt.losses.inputs import feature_pair, full_precision, in_full_precision


@in_full_precision
def moment_distance(sources: Sequence[Tensor], target: Tensor, *, moments: int = 2) -> Tensor:
    """Distance of the moments of all domains: of each source to the target, and of each pair of sources.

    Σ_k [1/S Σ_i ‖E[f_i^k] − E[f_t^k]‖ + 2/(S(S−1)) Σ_{i<j} ‖E[f_i^k] − E[f_j^k]‖], k = 1, ..., with powers by entry and
    the Euclidean norm. M3SDA, Peng et al. 2019, https://arxiv.org/abs/1812.01754.

    Args:
        sources: Features of each of the S sources `(N_i, d)`.
        target: Features of the target `(M, d)`.
        moments: Highest moment, at least 1.

    Returns:
        Scalar in units of the features, nonnegative.

    Raises:
        AdaptError: There is no source, a tensor is no matrix or empty, the widths differ, or no moment is asked for.

    Examples:
        >>> import torch
        >>> one = torch.ones(4, 1)
        >>> moment_distance([0 * one, 2 * one], one).item()  # k = 1: 1 + 2; k = 2: (1 + 3) / 2 + 4
        9.0
    """
    if not sources or moments < 1:
        raise AdaptError(f"moment_distance expects sources and moments >= 1, found {len(sources)} and {moments}.")
    pairs = [feature_pair("moment_distance", source, target, minimum=1) for source in sources]
    others, goal, count = [pair[0] for pair in pairs], full_precision(target), len(pairs)
    total = goal.new_zeros(())
    for k in range(1, moments + 1):
        means = [part.pow(k).mean(0) for part in others]
        mean = goal.pow(k).mean(0)
        total = total + torch.stack([_norm(m - mean) for m in means]).mean()
        between = [_norm(means[i] - means[j]) for i in range(count) for j in range(i)]
        total = total + (torch.stack(between).mean() if between else 0.0)
    return total


def _norm(x: Tensor) -> Tensor:
    # At zero the norm has no gradient.
    return (x.square().sum() + 1e-24).sqrt()
