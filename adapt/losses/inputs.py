"""What every loss demands of the features of two domains."""

import torch
from torch import Tensor

from adapt.errors import AdaptError


def full_precision(x: Tensor) -> Tensor:
    """`x` in float32 where it is half precision, otherwise `x` itself."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def feature_pair(loss: str, source: Tensor, target: Tensor, *, minimum: int = 2) -> tuple[Tensor, Tensor]:
    """The features of both domains, in full precision, once their shapes are right.

    Args:
        loss: Name of the loss, for the message.
        source: Features `(N, d)`.
        target: Features `(M, d)`; N ≠ M is allowed.
        minimum: Fewest samples that the loss is defined for.

    Returns:
        `source` and `target`.

    Raises:
        AdaptError: A tensor is no matrix, the widths differ, or a domain has fewer than `minimum` samples.
    """
    found = f"found {tuple(source.shape)} and {tuple(target.shape)}"
    if source.ndim != 2 or target.ndim != 2:
        raise AdaptError(f"{loss} expects features (N, d) and (M, d), {found}: flatten them with `.flatten(1)`.")
    if source.shape[1] != target.shape[1] or source.shape[1] == 0:
        raise AdaptError(f"{loss} expects features of one width in both domains, {found}: take the same layer of both.")
    if min(len(source), len(target)) < minimum:
        raise AdaptError(f"{loss} expects at least {minimum} samples of each domain, {found}: raise the batch size.")
    return full_precision(source), full_precision(target)
