"""Correlation alignment."""

from typing import Literal

import torch
from torch import Tensor

from adapt.errors import AdaptError
from adapt.losses.inputs import feature_pair, in_full_precision


@in_full_precision
def coral(source: Tensor, target: Tensor, *, scale: Literal["paper", "mean"] = "paper") -> Tensor:
    """Distance between the domains' covariances, ‖C_s − C_t‖²_F / (4d²), each C with n − 1.

    Deep CORAL, Sun & Saenko 2016, https://arxiv.org/abs/1607.01719. If there are more features than samples, the norm
    is computed from the samples' Gram matrices, in O((N + M)² d). The value is the same up to rounding.

    Args:
        source: Features `(N, d)`.
        target: Features `(M, d)`; N ≠ M is allowed.
        scale: `"paper"` is the formula above. `"mean"` is what DomainBed and TLlib's domain generalisation compute:
            the mean of the d² squared covariance differences (4 times the paper's value) plus the mean of the d
            squared differences of the means.

    Returns:
        Scalar, nonnegative, in feature units to the fourth power.

    Raises:
        AdaptError: Fewer than 2 samples, different widths, a tensor that is not a matrix, or an unknown scale.

    Examples:
        >>> import torch
        >>> from adapt.losses import coral
        >>> x = torch.tensor([[0.0], [2.0]])  # variance 2
        >>> coral(x, 2 * x).item()  # (2 − 8)² / 4
        9.0
    """
    source, target = feature_pair("coral", source, target)
    covariance_gap = _squared_gap(source, target) / source.shape[1] ** 2
    if scale == "paper":
        return covariance_gap / 4
    if scale == "mean":
        return covariance_gap + (source.mean(0) - target.mean(0)).square().mean()
    raise AdaptError(f"scale expects 'paper' or 'mean', found {scale!r}.")


def _squared_gap(source: Tensor, target: Tensor) -> Tensor:
    """‖C_s − C_t‖²_F, from the smaller matrices: covariances or Gram matrices."""
    if len(source) + len(target) > source.shape[1]:
        return (covariance(source) - covariance(target)).square().sum()
    # ⟨AᵀA, BᵀB⟩ = ‖A Bᵀ‖²: the samples' Gram matrices replace covariances of many features.
    a, b, n, m = source - source.mean(0), target - target.mean(0), len(source) - 1, len(target) - 1
    within = (a @ a.T).square().sum() / n**2 + (b @ b.T).square().sum() / m**2
    gap: Tensor = within - 2 * (a @ b.T).square().sum() / (n * m)
    # Where the covariances agree, rounding may leave the difference below 0.
    return gap.clamp_min(0)


def covariance(x: Tensor) -> Tensor:
    """Covariance of the columns of `x`, with n − 1.

    Args:
        x: Features `(N, d)`.

    Returns:
        Symmetric matrix `(d, d)`.
    """
    centred = x - x.mean(0)
    # In half precision a sum of squares overflows long before the features do.
    with torch.autocast(x.device.type, enabled=False):
        return centred.T @ centred / (len(x) - 1)
