"""Maximum mean discrepancy."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from adapt.errors import AdaptError
from adapt.losses.inputs import feature_pair, in_full_precision
from adapt.losses.kernels import Kernel, gaussian_kernel, kernel_widths, squared_distances

Estimator = Literal["unbiased", "biased", "linear"]


@in_full_precision
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
    https://arxiv.org/abs/1502.02791 (DAN learns the kernels' weights; here they are equal).

    The kernel is Σ_b exp(−d²/b) with d² the squared Euclidean distance. No gradient passes through b:
        `"mean"`: b = scale × mean of d² over all pairs of different samples in the pooled batch.
        `"median"`: the same with the median.
        `"tllib"`: b = 2σ², σ² = scale × mean of d² over all pairs, including the zeros of the diagonal. With the
        unbiased estimator this is the loss of the library TLlib, except that TLlib adds the constant 2/(N−1).
        `"fixed"`: b = `bandwidths`.

    Args:
        source: Features `(N, d)`.
        target: Features `(M, d)`; N ≠ M is allowed.
        kernel: How b follows from the batch.
        scales: Factors of the batch's bandwidth. None is (1/4, 1/2, 1, 2, 4), for `"tllib"` (1/8, 1/4, 1/2, 1, 2).
        bandwidths: The values b, in squared feature units, for `"fixed"` only.
        estimator: `"unbiased"` is the U-statistic, which may be negative; `"biased"` the V-statistic, which may not.
            `"linear"` averages k(s,s') + k(t,t') − k(s,t') − k(s',t) over the disjoint pairs of neighbours
            (0, 1), (2, 3), ...; it uses the first 2·⌊min(N, M)/2⌋ samples of both domains, so it depends on their
            order. The bandwidth still comes from the whole pooled batch. Time and memory are linear in the samples,
            except with `"median"`.

    Returns:
        Scalar without unit, in [−2, 2] times the number of kernels.

    Raises:
        AdaptError: Fewer than 2 samples, different widths, a tensor that is not a matrix, or options that do not fit.

    Examples:
        >>> import torch
        >>> from adapt.losses import mmd
        >>> near, far = torch.tensor([[0.0], [1.0]]), torch.tensor([[5.0], [6.0]])
        >>> mmd(near, far) > mmd(near, near + 0.1)
        tensor(True)
    """
    source, target = feature_pair("mmd", source, target)
    widths = kernel_widths(torch.cat([source, target]), kernel=kernel, scales=scales, bandwidths=bandwidths)
    return kernel_discrepancy([(source, target, widths)], estimator)


def kernel_discrepancy(layers: Sequence[tuple[Tensor, Tensor, Tensor]], estimator: Estimator = "unbiased") -> Tensor:
    """Estimate of the squared MMD; the kernel is the product of the layers' kernels.

    Args:
        layers: For each layer the activations of source `(N, d)` and target `(M, d)`, and the bandwidths `(B,)`.
        estimator: As in `mmd`.

    Returns:
        Scalar.

    Raises:
        AdaptError: The estimator is unknown.
    """
    if estimator not in ("unbiased", "biased", "linear"):
        raise AdaptError(f"estimator expects 'unbiased', 'biased' or 'linear', found {estimator!r}.")
    n = len(layers[0][0])
    if estimator == "linear":
        pairs = torch.stack([gaussian_kernel(_paired_distances(s, t), widths) for s, t, widths in layers]).prod(0)
        return (pairs[0] + pairs[1] - pairs[2] - pairs[3]).mean()
    each = [gaussian_kernel(squared_distances(torch.cat([s, t])), widths) for s, t, widths in layers]
    values = torch.stack(each).prod(0)
    within_source, within_target, between = values[:n, :n], values[n:, n:], values[:n, n:]
    if estimator == "unbiased":
        return _off_diagonal_mean(within_source) + _off_diagonal_mean(within_target) - 2 * between.mean()
    return within_source.mean() + within_target.mean() - 2 * between.mean()


def _paired_distances(source: Tensor, target: Tensor) -> Tensor:
    """d²(s, s'), d²(t, t'), d²(s, t') and d²(s', t) of the disjoint pairs of neighbours, `(4, pairs)`."""
    used = 2 * (min(len(source), len(target)) // 2)
    s, other_s, t, other_t = source[0:used:2], source[1:used:2], target[0:used:2], target[1:used:2]
    return torch.stack([(a - b).square().sum(1) for a, b in ((s, other_s), (t, other_t), (s, other_t), (other_s, t))])


def _off_diagonal_mean(values: Tensor) -> Tensor:
    n = len(values)
    return (values.sum() - values.diagonal().sum()) / (n * (n - 1))
