"""Batch nuclear-norm maximisation."""

from torch import Tensor

from adapt.losses.inputs import in_full_precision, singular_values
from adapt.losses.predictions import class_logits


@in_full_precision
def bnm(logits: Tensor) -> Tensor:
    """Negative nuclear norm of the batch's predictions, −‖P‖_* / B, with P the softmax.

    Batch Nuclear-norm Maximization, Cui et al. 2020, https://arxiv.org/abs/2003.12237. The nuclear norm is
    the sum of singular values: large where predictions are certain and all classes occur.

    The authors' code divides by min(B, K), the number of singular values, and not by B.

    Args:
        logits: Class logits of the target `(B, K)`.

    Returns:
        Scalar without unit, in [−√(min(B, K) / B), −1/√(K B)].

    Raises:
        AdaptError: `logits` is not a matrix or is empty.

    Examples:
        >>> import torch
        >>> from adapt.losses import bnm
        >>> certain = 100 * torch.eye(3)  # three samples, three classes
        >>> round(bnm(certain).item(), 4)
        -1.0
    """
    p = class_logits("bnm", logits).softmax(1)
    return -singular_values(p).sum() / len(p)
