"""Pseudo-labels out of a memory of the target."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from adapt.errors import AdaptError
from adapt.losses.inputs import in_full_precision
from adapt.losses.predictions import class_logits


@torch.no_grad()
@in_full_precision
def sharpened(logits: Tensor) -> Tensor:
    """Predictions squared, and divided by how much of each class the batch holds, s_ik = p_ik² / Σ_j p_jk².

    ATDOC, Liang et al. 2021, https://arxiv.org/abs/2007.04171. Certain samples gain, and
    classes that are predicted often lose. Rows do not sum to 1. Without gradient.

    Args:
        logits: Class logits `(M, K)`; p is their softmax.

    Returns:
        Weights `(M, K)`, whose columns sum to 1.

    Raises:
        AdaptError: `logits` is no matrix or is empty.

    Examples:
        >>> import torch
        >>> from adapt.losses import sharpened
        >>> sharpened(torch.tensor([[0.0, 100.0], [0.0, 100.0]]))[:, 1]  # two samples share the class
        tensor([0.5000, 0.5000])
    """
    squares = class_logits("sharpened", logits).softmax(1).square()
    return squares / squares.sum(0).clamp_min(1e-30)


@in_full_precision
def weighted_pseudo_labels(logits: Tensor, votes: Tensor) -> Tensor:
    """Cross-entropy with the class of most votes, weighted by them, Σ_i v_i CE(z_i, ŷ_i) / Σ_i v_i.

    ATDOC's neighbourhood aggregation, Liang et al. 2021, https://arxiv.org/abs/2007.04171, with v_i the largest number
    of votes of sample i and ŷ_i its class.

    Args:
        logits: Class logits z `(M, K)`.
        votes: Nonnegative votes for each class `(M, K)`, without gradient.

    Returns:
        Scalar in nats, nonnegative; 0 where there are no votes at all.

    Raises:
        AdaptError: `logits` is no matrix or is empty, or the shapes differ.

    Examples:
        >>> import torch
        >>> from adapt.losses import weighted_pseudo_labels
        >>> votes = torch.tensor([[0.9, 0.1], [0.0, 0.0]])  # only the first sample has a label
        >>> round(weighted_pseudo_labels(torch.zeros(2, 2), votes).item(), 4)
        0.6931
    """
    logits = class_logits("weighted_pseudo_labels", logits)
    if votes.shape != logits.shape:
        raise AdaptError(
            f"weighted_pseudo_labels expects votes {tuple(logits.shape)} as the logits, found {tuple(votes.shape)}."
        )
    weights, labels = votes.detach().max(1)
    each = cross_entropy(logits, labels, reduction="none")
    return (weights * each).sum() / weights.sum().clamp_min(1e-30)
