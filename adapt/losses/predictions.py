"""Checks of the class logits that a loss gets."""

from torch import Tensor

from adapt.errors import AdaptError
from adapt.losses.inputs import full_precision


def class_logits(loss: str, logits: Tensor) -> Tensor:
    """Check the shape of the logits, and return them in full precision.

    Args:
        loss: Name of the loss, for the message.
        logits: Class logits `(N, K)`.

    Raises:
        AdaptError: `logits` is not a matrix or is empty.
    """
    if logits.ndim != 2 or logits.numel() == 0:
        raise AdaptError(f"{loss} expects logits (N, K) of at least one sample, found {tuple(logits.shape)}.")
    return full_precision(logits)


def view_logits(loss: str, student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
    """Check the logits of two views of the same samples; return both in full precision, the second detached.

    Args:
        loss: Name of the loss, for the message.
        student: Logits that get a gradient `(N, K)`.
        teacher: Logits that serve as the target `(N, K)`.

    Returns:
        `student` and the detached `teacher`.

    Raises:
        AdaptError: A tensor is not a matrix or is empty, or the shapes differ.
    """
    if student.shape != teacher.shape:
        raise AdaptError(
            f"{loss} expects two views of the same samples, found logits of shape {tuple(student.shape)} and "
            f"{tuple(teacher.shape)}: encode the same inputs twice."
        )
    return class_logits(loss, student), class_logits(loss, teacher).detach()
