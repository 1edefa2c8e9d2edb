"""Maximum mean discrepancy."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from adapt.errors import AdaptError
from adapt.losses.inputs import feature_pair
from adapt.losses.kernels import Kernel, gaussian_kernel, squared_distances

Estimator = Literal["unbiased", "biased", "linear"]


def mmd(
    source: Tensor,
    target: Tensor,
    *,
    kernel: Kernel = "mean",
    scales: Sequence[float] | None = None,
    bandwidths: Sequence[float] | None = None,
    estimator: Estimator = "unbiased",
) -> Tensor:
    """Squared maximum mean discrepancy, E k(s,s') + E k(t,t') − 2 E k(s,t), with k a sum of Gaussians.

    Gretton et al. 2012, https://jmlr.org/papers/v13/gretton12a.html; as a loss on features in DAN, Long et al. 2015,
    https://arxiv.org/abs/1502.02791 (equal weights here, where DAN learns them).

    The kernel is Σ_b exp(−d²/b) with d² the squared Euclidean distance. No gradient passes through b:
        `"mean"`: b = scale × mean of d² over all pairs of different samples in the pooled batch.
        `"median"`: the same with the median.
        `"tllib"`: b = 2σ², σ² = scale × mean of d² over all pairs, the zeros of the diagonal among them. With the
            unbiased estimator this is the loss of the library TLlib but for the constant 2/(N−1) that it adds.
        `"fixed"`: b = `bandwidths`.

    Args:
        source: Features `(N, d)`.
        target: Features `(M, d)`; N ≠ M is allowed.
        kernel: How b follows from the batch.
        scales: Factors of the batch's bandwidth. None is (1/4, 1/2, 1, 2, 4), for `"tllib"` (1/8, 1/4, 1/2, 1, 2).
        bandwidths: The values b, in squared feature units, for `"fixed"` only.
        estimator: `"unbiased"` is the U-statistic, which may be negative; `"biased"` the V-statistic, which may not.
            `"linear"` averages k(s,s') + k(t,t') − k(s,t') − k(s',t) over the disjoint pairs of neighbours
            (0, 1), (2, 3), ...; it uses the first 2·⌊min(N, M)/2⌋ samples of both domains, and so depends on their
            order. The bandwidth still comes from the whole pooled batch.

    Returns:
        Scalar without unit, in [−2, 2] times the number of kernels.

    Raises:
        AdaptError: Fewer than 2 samples, different widths, a tensor that is no matrix, or options that do not fit.
    """
    source, target = feature_pair("mmd", source, target)
    distances = squared_distances(torch.cat([source, target]))
    values = gaussian_kernel(distances, kernel=kernel, scales=scales, bandwidths=bandwidths)
    return kernel_discrepancy(values, len(source), estimator)


def kernel_discrepancy(values: Tensor, n: int, estimator: Estimator = "unbiased") -> Tensor:
    """Estimate of the squared MMD from the kernel matrix of the pooled batch.

    Args:
        values: Kernel values `(N + M, N + M)`, the N source samples first.
        n: Number N of source samples.
        estimator: As in `mmd`.

    Returns:
        Scalar.

    Raises:
        AdaptError: The estimator is unknown.
    """
    within_source, within_target, between = values[:n, :n], values[n:, n:], values[:n, n:]
    if estimator == "unbiased":
        return _off_diagonal_mean(within_source) + _off_diagonal_mean(within_target) - 2 * between.mean()
    if estimator == "biased":
        return within_source.mean() + within_target.mean() - 2 * between.mean()
    if estimator == "linear":
        first = torch.arange(0, 2 * (min(between.shape) // 2), 2, device=values.device)
        second = first + 1
        within = within_source[first, second] + within_target[first, second]
        return (within - between[first, second] - between[second, first]).mean()
    raise AdaptError(f"estimator expects 'unbiased', 'biased' or 'linear', found {estimator!r}.")


def _off_diagonal_mean(values: Tensor) -> Tensor:
    n = len(values)
    return (values.sum() - values.diagonal().sum()) / (n * (n - 1))
