"""Minimum class confusion."""

import torch
from torch import Tensor
from torch.nn.functional import log_softmax

from adapt.errors import AdaptError
from adapt.losses.inputs import in_full_precision
from adapt.losses.predictions import class_logits


@in_full_precision
def mcc(logits: Tensor, *, temperature: float = 2.5) -> Tensor:
    """Mean off-diagonal share of the class confusion, (Σ_jk C̃_jk − tr C̃) / K.

    Minimum Class Confusion, Jin et al. 2020, https://arxiv.org/abs/1912.03699. With p the softmax of logits / T and
    H_i the entropy of sample i in nats,

        w_i = n (1 + e^{−H_i}) / Σ_j (1 + e^{−H_j}),  C_jk = Σ_i w_i p_ij p_ik,  C̃_jk = C_jk / Σ_l C_jl,

    so certain samples weigh more, and each class's confusion sums to 1. No gradient passes through w.

    Args:
        logits: Class logits of the target `(M, K)`.
        temperature: T, positive.

    Returns:
        Scalar without unit, in [0, 1 − 1/K]: 0 where every sample is certain, 1 − 1/K where all are uniform.

    Raises:
        AdaptError: `logits` is not a matrix or is empty, or T is not positive.

    Examples:
        >>> import torch
        >>> from adapt.losses import mcc
        >>> mcc(torch.zeros(4, 2)).item()  # undecided between two classes
        0.5
    """
    if temperature <= 0:
        raise AdaptError(f"mcc expects a temperature above 0, found {temperature}.")
    log_p = log_softmax(class_logits("mcc", logits) / temperature, dim=1)
    p = log_p.exp()
    certainty = 1 + torch.exp((p * log_p).sum(1)).detach()
    weights = len(p) * certainty / certainty.sum()
    confusion = (weights[:, None] * p).T @ p
    # If a class has probability 0 in the whole batch (underflow), 0/0 would be NaN.
    share = confusion / confusion.sum(1, keepdim=True).clamp_min(1e-30)
    return (share.sum() - share.trace()) / p.shape[1]
