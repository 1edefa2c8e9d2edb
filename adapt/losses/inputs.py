"""Checks and conversions of the features that a loss gets."""

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor

from adapt.errors import AdaptError

P = ParamSpec("P")
R = TypeVar("R")


def full_precision(x: Tensor) -> Tensor:
    """`x` in float32 where it is half precision, otherwise `x` itself."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def in_full_precision(loss: Callable[P, R]) -> Callable[P, R]:
    """Make a loss compute in full precision: autocast is off inside, and half-precision inputs become float32.

    Sums of squares overflow in float16 long before the features do, and bfloat16 has only three digits. Every loss has
    this decorator.

    Args:
        loss: A function of tensors, and of lists or tuples of them.
    """

    @wraps(loss)
    def converted(*args: P.args, **kwargs: P.kwargs) -> R:
        device = _device_type([*args, *kwargs.values()])
        with torch.autocast(device, enabled=False):
            return loss(*_converted(args), **{name: _converted(value) for name, value in kwargs.items()})

    return converted


def _device_type(values: Any) -> str:
    """The device of the first tensor."""
    for value in values:
        if isinstance(value, Tensor):
            return value.device.type
        if isinstance(value, list | tuple) and value and (found := _device_type(value)) != "cpu":
            return found
    return "cpu"


def _converted(value: Any) -> Any:
    if isinstance(value, Tensor):
        return full_precision(value)
    if type(value) in (list, tuple):
        return type(value)(_converted(v) for v in value)
    return value


def singular_values(x: Tensor) -> Tensor:
    """Singular values of a matrix `(N, d)` in descending order; all NaN where an entry is NaN or infinite.

    On such a matrix LAPACK raises an unclear error. NaN reaches the later check, which names the loss and the step, and
    the CPU need not wait for the device.
    """
    finite = torch.isfinite(x)
    values: Tensor = torch.linalg.svdvals(torch.where(finite, x, 0))
    return torch.where(finite.all(), values, torch.nan)


def feature_pair(loss: str, source: Tensor, target: Tensor, *, minimum: int = 2) -> tuple[Tensor, Tensor]:
    """Check the shapes of both domains' features, and return them in full precision.

    Args:
        loss: Name of the loss, for the message.
        source: Features `(N, d)`.
        target: Features `(M, d)`; N ≠ M is allowed.
        minimum: Smallest number of samples for which the loss is defined.

    Returns:
        `source` and `target`.

    Raises:
        AdaptError: A tensor is not a matrix, the widths differ, or a domain has fewer than `minimum` samples.
    """
    found = f"found {tuple(source.shape)} and {tuple(target.shape)}"
    if source.ndim != 2 or target.ndim != 2:
        raise AdaptError(f"{loss} expects features (N, d) and (M, d), {found}: flatten them with `.flatten(1)`.")
    if source.shape[1] != target.shape[1] or source.shape[1] == 0:
        raise AdaptError(f"{loss} expects features of one width in both domains, {found}: take the same layer of both.")
    if min(len(source), len(target)) < minimum:
        raise AdaptError(f"{loss} expects at least {minimum} samples of each domain, {found}: raise the batch size.")
    return full_precision(source), full_precision(target)
