"""Checks of the source labels that a score gets."""

from torch import Tensor

from adapt.errors import AdaptError
from adapt.losses.predictions import class_logits


def labelled_logits(score: str, logits: Tensor, y: Tensor) -> Tensor:
    """Check that the source's logits fit its labels, and return the logits in full precision.

    Args:
        score: Name of the score, for the message.
        logits: Class logits `(N, K)`.
        y: Class indices `(N,)`.

    Raises:
        AdaptError: `logits` is not a matrix or is empty, or there is not one label per sample.
    """
    logits = class_logits(score, logits)
    if y.shape != logits.shape[:1]:
        raise AdaptError(
            f"{score} expects one source label per sample, found logits {tuple(logits.shape)} and labels "
            f"{tuple(y.shape)}."
        )
    return logits
