"""Entropy of predictions under a robust penalty."""

from torch import Tensor
from torch.nn.functional import log_softmax

from adapt.errors import AdaptError
from adapt.losses.inputs import in_full_precision
from adapt.losses.predictions import class_logits

_EPSILON = 0.001


@in_full_precision
def charbonnier_entropy(logits: Tensor, *, eta: float = 2.0) -> Tensor:
    """Mean Charbonnier penalty of the softmax's entropy, (1/M) Σ_j (H_j² + 0.001²)^η, H_j = −Σ_k p_jk log p_jk.

    Fourier domain adaptation, Yang & Soatto 2020, https://arxiv.org/abs/2004.05498. With η > 1/2 uncertain samples
    weigh more than in the mean entropy. The mean entropy mostly makes certain samples more certain. The authors' code
    divides H by log K first; here it is in nats, as in the paper.

    Args:
        logits: Class logits `(M, K)`.
        eta: Exponent η, above 0; the paper's is 2.

    Returns:
        Scalar, nonnegative, in nats to the power 2η.

    Raises:
        AdaptError: `logits` is not a matrix or is empty, or η is not positive.

    Examples:
        >>> import torch
        >>> from adapt.losses import charbonnier_entropy
        >>> round(charbonnier_entropy(torch.zeros(1, 2), eta=0.5).item(), 4)  # about the entropy itself, log 2
        0.6931
    """
    if eta <= 0:
        raise AdaptError(f"charbonnier_entropy expects eta above 0, found {eta}.")
    log_p = log_softmax(class_logits("charbonnier_entropy", logits), dim=1)
    entropies = -(log_p.exp() * log_p).sum(1)
    return (entropies.square() + _EPSILON**2).pow(eta).mean()
