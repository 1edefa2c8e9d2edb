"""Gaussian kernels over a pooled batch, shared by the kernel discrepancies."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from adapt.errors import AdaptError

Kernel = Literal["mean", "tllib", "median", "fixed"]

_DEFAULT_SCALES: dict[Kernel, tuple[float, ...]] = {
    "mean": (0.25, 0.5, 1.0, 2.0, 4.0),
    "median": (0.25, 0.5, 1.0, 2.0, 4.0),
    "tllib": (0.125, 0.25, 0.5, 1.0, 2.0),
}


def squared_distances(x: Tensor) -> Tensor:
    """Squared Euclidean distances between all rows of `x`, from one Gram matrix.

    Args:
        x: Points `(N, d)`.

    Returns:
        Distances `(N, N)`, nonnegative, exactly 0 on the diagonal; the gradient is finite where points coincide.
    """
    # A shift does not change distances. Removing a common offset avoids cancellation in the Gram matrix. Subtracting a
    # sample, not the mean, makes coinciding points exactly 0. Mixed precision would cancel with any shift.
    with torch.autocast(x.device.type, enabled=False):
        shifted = x - x[:1].detach()
        gram = shifted @ shifted.T
        norms = gram.diagonal()
        return (norms[:, None] + norms[None, :] - 2 * gram).clamp_min(0)


def squared_distances_between(x: Tensor, y: Tensor) -> Tensor:
    """Squared Euclidean distances from the rows of `x` to those of `y`, from one product.

    Args:
        x: Points `(N, d)`.
        y: Points `(M, d)`.

    Returns:
        Distances `(N, M)`, nonnegative.
    """
    # As in `squared_distances`: without the shift a common offset would cancel in the products. In half precision it
    # would cancel with any shift.
    with torch.autocast(x.device.type, enabled=False):
        x, y = x - x[:1].detach(), y - x[:1].detach()
        return (x.square().sum(1)[:, None] + y.square().sum(1)[None, :] - 2 * x @ y.T).clamp_min(0)


def gaussian_kernel(distances: Tensor, widths: Tensor) -> Tensor:
    """Sum of Gaussian kernels exp(−d²/b).

    Args:
        distances: Squared distances d² of any shape.
        widths: The values b, as `kernel_widths` gives them `(B,)`.

    Returns:
        Kernel values of the distances' shape; at distance 0 the value is the number of kernels.
    """
    return torch.exp(-distances / widths.view(-1, *(1,) * distances.ndim)).sum(0)


@torch.no_grad()
def kernel_widths(
    x: Tensor,
    *,
    kernel: Kernel = "mean",
    scales: Sequence[float] | None = None,
    bandwidths: Sequence[float] | None = None,
) -> Tensor:
    """The bandwidths b of a pooled batch's Gaussian kernels, without gradient.

    The mean over all pairs follows from the variance, in O(N d); only the median needs the pairs.

    Args:
        x: Points of the pooled batch `(N, d)`.
        kernel: How b follows from the batch, see `adapt.losses.mmd`.
        scales: Factors of the batch's bandwidth; None takes the kernel's own five.
        bandwidths: The values b themselves, in squared feature units, for `kernel="fixed"` only.

    Returns:
        Positive values `(B,)`.

    Raises:
        AdaptError: The options do not fit together, or a factor or bandwidth is not positive.
    """
    if kernel == "fixed":
        if bandwidths is None or scales is not None:
            raise AdaptError("kernel='fixed' expects `bandwidths` and no `scales`: give b of exp(-d²/b), e.g. [1.68].")
        width, factors = x.new_ones(()), _positive("bandwidths", bandwidths)
    elif kernel in _DEFAULT_SCALES:
        if bandwidths is not None:
            raise AdaptError(f"kernel={kernel!r} finds its bandwidth itself: leave out `bandwidths`, or take 'fixed'.")
        factors = _positive("scales", _DEFAULT_SCALES[kernel] if scales is None else scales)
        width = _batch_bandwidth(x, kernel)
        # Coinciding points define no scale; any finite bandwidth gives them the same kernel value.
        width = torch.where(width > 0, width, torch.ones_like(width))
    else:
        raise AdaptError(f"kernel expects 'mean', 'tllib', 'median' or 'fixed', found {kernel!r}.")
    # Copying a tensor of factors to a GPU makes the CPU wait; plain numbers are part of the multiplication.
    return torch.stack([width * factor for factor in factors])


def _batch_bandwidth(x: Tensor, kernel: Kernel) -> Tensor:
    n = len(x)
    if kernel == "median":
        rows, columns = torch.triu_indices(n, n, offset=1, device=x.device)
        ordered = squared_distances(x)[rows, columns].sort().values
        return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
    # Subtract a sample, as in `squared_distances`, so that coinciding points have exactly zero spread.
    shifted = x - x[:1]
    total = 2 * (shifted - shifted.mean(0)).square().sum()  # sum of all distances / number of rows
    return 2 * total / n if kernel == "tllib" else total / (n - 1)


def _positive(name: str, values: Sequence[float]) -> list[float]:
    if len(values) == 0 or min(values) <= 0:
        raise AdaptError(f"{name} expects one or more positive numbers, found {list(values)}.")
    return list(values)
