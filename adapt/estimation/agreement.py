"""Generalised disagreement of two seeds."""

from torch import Tensor

from adapt.errors import AdaptError
from adapt.losses.predictions import class_logits


def agreement(target: Tensor, other: Tensor) -> Tensor:
    """Share of target samples on which two trainings agree that differ only in their seed.

    Generalisation disagreement equality, Jiang et al., ICLR 2022, https://arxiv.org/abs/2106.13799: the expected
    disagreement of two runs equals their expected error where the ensemble of all runs is calibrated, which a domain
    shift can break. Two runs that err alike look better than they are.

    Reads unlabelled target samples alone, and a second training. Cost: O(MK) time.

    Args:
        target: Class logits of one run `(M, K)`.
        other: Class logits of the other run of the same samples `(M, K)`.

    Returns:
        Accuracy in [0, 1].

    Raises:
        AdaptError: The shapes differ, or are no matrices.

    Examples:
        >>> import torch
        >>> from adapt.estimation import agreement
        >>> agreement(torch.eye(2), torch.tensor([[1.0, 0.0], [1.0, 0.0]])).item()
        0.5
    """
    target, other = class_logits("agreement", target), class_logits("agreement", other)
    if target.shape != other.shape:
        raise AdaptError(
            f"agreement expects logits of the same samples, found {tuple(target.shape)} and {tuple(other.shape)}."
        )
    return (target.argmax(1) == other.argmax(1)).to(target.dtype).mean()
