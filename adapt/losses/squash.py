"""Bounded versions of features, for discrepancies that need bounded features."""

from typing import Literal

from torch import Tensor

from adapt.errors import AdaptError

Squash = Literal["sigmoid", "tanh", "none"]


def bounded(x: Tensor, squash: Squash) -> Tensor:
    """Map features into (0, 1) by the sigmoid, into (−1, 1) by tanh, or leave them unchanged.

    Our backbones end in a ReLU, so their features are nonnegative and have no upper bound.

    Args:
        x: Features of any shape.
        squash: The function.

    Returns:
        `x`, of the same shape.

    Raises:
        AdaptError: The function is unknown.
    """
    if squash == "sigmoid":
        return x.sigmoid()
    if squash == "tanh":
        return x.tanh()
    if squash == "none":
        return x
    raise AdaptError(f"squash expects 'sigmoid', 'tanh' or 'none', found {squash!r}.")
