"""Predictions of masked images that agree with a teacher's of whole ones."""

from torch import Tensor
from torch.nn.functional import cross_entropy

from adapt.losses.inputs import in_full_precision
from adapt.losses.predictions import view_logits


@in_full_precision
def masked_consistency(masked: Tensor, teacher: Tensor) -> Tensor:
    """Cross-entropy with a teacher's labels, weighted by certainty, (1/M) Σ_i max_k q_ik CE(masked_i, argmax q_i).

    MIC, Hoyer et al. 2023, https://arxiv.org/abs/2212.01322, with q the softmax of the teacher's logits. The mean is
    over all M samples; no gradient passes through the teacher.

    Args:
        masked: Class logits of the masked samples `(M, K)`, which learn.
        teacher: The teacher's class logits of the same samples as they are `(M, K)`.

    Returns:
        Scalar in nats, nonnegative.

    Raises:
        AdaptError: A tensor is not a matrix or is empty, or the shapes differ.

    Examples:
        >>> import torch
        >>> from adapt.losses import masked_consistency
        >>> round(masked_consistency(torch.zeros(1, 2), torch.zeros(1, 2)).item(), 4)  # ½ of log 2
        0.3466
    """
    masked, teacher = view_logits("masked_consistency", masked, teacher)
    certainty, labels = teacher.softmax(1).max(1)
    return (certainty * cross_entropy(masked, labels, reduction="none")).mean()
