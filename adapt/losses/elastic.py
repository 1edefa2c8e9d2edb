"""Sizes of weights: absolute values and squares."""

from collections.abc import Iterable

import torch
from torch import Tensor

from adapt.errors import AdaptError
from adapt.losses.inputs import full_precision, in_full_precision


@in_full_precision
def elastic(weights: Iterable[Tensor], *, l1: float = 1.0, l2: float = 0.0) -> Tensor:
    """The elastic net's term, l1 · Σ |w| + l2 · ½ Σ w²; with l2 = 0 the lasso's.

    Zou and Hastie 2005, https://doi.org/10.1111/j.1467-9868.2005.00503.x; the lasso: Tibshirani 1996,
    https://doi.org/10.1111/j.2517-6161.1996.tb02080.x.

    Args:
        weights: Tensors of any shapes.
        l1: Factor on the absolute values.
        l2: Factor on half the squares.

    Returns:
        Scalar, nonnegative.

    Raises:
        AdaptError: There is no weight, or a factor is negative.

    Examples:
        >>> import torch
        >>> from adapt.losses import elastic
        >>> elastic([torch.tensor([1.0, -2.0])], l1=1.0, l2=2.0).item()  # 3 + 5
        8.0
    """
    if l1 < 0 or l2 < 0:
        raise AdaptError(f"elastic expects factors of at least 0, found l1 {l1} and l2 {l2}.")
    every = [full_precision(w) for w in weights]
    if not every:
        raise AdaptError("elastic expects at least one tensor of weights, found none.")
    return torch.stack([l1 * w.abs().sum() + l2 / 2 * w.square().sum() for w in every]).sum()
