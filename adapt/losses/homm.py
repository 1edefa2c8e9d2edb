"""Higher-order moment matching."""

import torch
from torch import Tensor

from adapt.errors import AdaptError
from adapt.losses.inputs import feature_pair, in_full_precision
from adapt.losses.squash import Squash, bounded


@in_full_precision
def homm(
    source: Tensor,
    target: Tensor,
    *,
    order: int = 3,
    samples: int | None = None,
    center: bool = False,
    squash: Squash = "tanh",
    generator: torch.Generator | None = None,
) -> Tensor:
    """Distance between the domains' moment tensors, ‖(1/N) Σ_i x_i^⊗p − (1/M) Σ_j y_j^⊗p‖²_F / d^p.

    HoMM, Chen et al. 2020, https://arxiv.org/abs/1912.11976. The division by d^p turns the sum into the mean over all
    d^p entries. Order 1 is the squared difference of the means over d; order 2 matches Gram matrices. With `center`,
    order 2 is 4 times `adapt.losses.coral`, except for N/(N−1) in the covariances.

    The whole tensor is matched at any order and width without building it: ⟨x^⊗p, y^⊗p⟩ = ⟨x, y⟩^p, so its squared norm
    is a sum of powers of inner products. This costs (N+M)² d and has no sampling noise. Rounding can make values near 0
    slightly negative. `samples` is the paper's method for large d^p: the mean over entries whose p indices are drawn at
    each call, uniformly and with replacement. Its expectation is the value of the whole tensor.

    Args:
        source: Features `(N, d)`.
        target: Features `(M, d)`; N ≠ M is allowed.
        order: Order p of the moments.
        samples: Number of entries to draw; None for all d^p.
        center: Subtract each domain's mean first, as the authors' code does. The means are then not matched.
        squash: Function on the features: `"tanh"` as in the authors' layer, `"sigmoid"`, or `"none"`.
        generator: Source of the drawn indices, on the features' device; None for torch's own.

    Returns:
        Scalar in the squashed features' units to the power 2p, nonnegative up to rounding.

    Raises:
        AdaptError: No sample, different widths, a tensor that is not a matrix, or options out of range.

    Examples:
        >>> import torch
        >>> from adapt.losses import homm
        >>> x = torch.tensor([[1.0], [1.0]])
        >>> homm(x, 2 * x, order=3, squash="none").item()  # (1³ − 2³)²
        49.0
    """
    source, target = feature_pair("homm", source, target, minimum=2 if center else 1)
    if order < 1 or (center and order == 1):
        raise AdaptError(f"order expects at least 1, or at least 2 with center=True, found {order}.")
    if samples is not None and samples < 1:
        raise AdaptError(f"samples expects at least 1 entry, or None for all, found {samples}.")
    source, target = bounded(source, squash), bounded(target, squash)
    if center:
        source, target = source - source.mean(0), target - target.mean(0)
    if samples is None:
        return _inner(source, source, order) + _inner(target, target, order) - 2 * _inner(source, target, order)
    indices = torch.randint(source.shape[1], (samples, order), device=source.device, generator=generator)
    return (_entries(source, indices) - _entries(target, indices)).square().mean()


def _inner(x: Tensor, y: Tensor, order: int) -> Tensor:
    """Inner product of two moment tensors over d^p."""
    return (x @ y.T / x.shape[1]).pow(order).mean()


def _entries(x: Tensor, indices: Tensor) -> Tensor:
    """The moment tensor's entries at `indices` `(samples, order)`."""
    return x[:, indices].prod(2).mean(0)
