"""What every loss demands of class logits."""

from torch import Tensor

from adapt.errors import AdaptError
from adapt.losses.inputs import full_precision


def class_logits(loss: str, logits: Tensor) -> Tensor:
    """The logits in full precision, once their shape is right.

    Args:
        loss: Name of the loss, for the message.
        logits: Class logits `(N, K)`.

    Raises:
        AdaptError: `logits` is no matrix or is empty.
    """
    if logits.ndim != 2 or logits.numel() == 0:
        raise AdaptError(f"{loss} expects logits (N, K) of at least one sample, found {tuple(logits.shape)}.")
    return full_precision(logits)


def view_logits(loss: str, student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
    """The logits of two views of the same samples, in full precision, and the second without gradient.

    Args:
        loss: Name of the loss, for the message.
        student: Logits that learn `(N, K)`.
        teacher: Logits that teach `(N, K)`.

    Returns:
        `student` and the detached `teacher`.

    Raises:
        AdaptError: A tensor is no matrix or is empty, or the shapes differ.
    """
    if student.shape != teacher.shape:
        raise AdaptError(
            f"{loss} expects two views of the same samples, found logits of shape {tuple(student.shape)} and "
            f"{tuple(teacher.shape)}: encode the same inputs twice."
        )
    return class_logits(loss, student), class_logits(loss, teacher).detach()
