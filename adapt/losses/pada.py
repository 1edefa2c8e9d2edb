"""Weights of the source's classes, by how often the target seems to have them."""

from torch import Tensor

from adapt.losses.inputs import in_full_precision
from adapt.losses.predictions import class_logits


@in_full_precision
def target_class_weights(logits: Tensor) -> Tensor:
    """Mean target prediction of each class, divided by the largest: γ = (1/M) Σ_i softmax(z_i), γ / max_k γ_k.

    PADA, Cao et al. 2018, https://arxiv.org/abs/1808.04205. A class that the target lacks is rarely predicted there,
    and gets a small weight.

    Args:
        logits: Class logits of target samples `(M, K)`.

    Returns:
        Weights `(K,)` in (0, 1], without gradient; the largest is 1.

    Raises:
        AdaptError: `logits` is not a matrix or is empty.

    Examples:
        >>> import torch
        >>> target_class_weights(torch.tensor([[9.0, 0.0, -99.0], [0.0, 9.0, -99.0]])).tolist()
        [1.0, 1.0, 0.0]
    """
    mean = class_logits("target_class_weights", logits).detach().softmax(1).mean(0)
    return mean / mean.max()
