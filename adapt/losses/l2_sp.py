"""Squared distance of weights from their initial values."""

from collections.abc import Iterable

import torch
from torch import Tensor

from adapt.errors import AdaptError
from adapt.losses.inputs import full_precision, in_full_precision


@in_full_precision
def l2_sp(weights: Iterable[Tensor], start: Iterable[Tensor] | None = None) -> Tensor:
    """Half the squared distance of weights from their starting point, ½ Σ ‖w − w⁰‖².

    Li et al. 2018, https://arxiv.org/abs/1802.01483.

    Args:
        weights: Tensors of any shapes.
        start: Their initial values w⁰, in the same order; None for zero, which is weight decay.

    Returns:
        Scalar, nonnegative, in squared units of the weights.

    Raises:
        AdaptError: There is no weight, or weights and initial values differ in number or shape.

    Examples:
        >>> import torch
        >>> from adapt.losses import l2_sp
        >>> l2_sp([torch.tensor([1.0, 2.0])], [torch.tensor([1.0, 0.0])]).item()  # ½ (0² + 2²)
        2.0
    """
    moved = [full_precision(w) for w in weights]
    if start is not None:
        origin = [full_precision(w) for w in start]
        shapes, expected = ([tuple(w.shape) for w in part] for part in (moved, origin))
        if shapes != expected:
            raise AdaptError(f"l2_sp expects weights of the same shapes as at the start, {expected}, found {shapes}.")
        moved = [w - w0 for w, w0 in zip(moved, origin, strict=True)]
    if not moved:
        raise AdaptError("l2_sp expects at least one tensor of weights, found none.")
    return torch.stack([w.square().sum() for w in moved]).sum() / 2
