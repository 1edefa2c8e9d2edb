"""Entropy of predictions."""

from torch import Tensor
from torch.nn.functional import log_softmax

from adapt.errors import AdaptError


def entropy(logits: Tensor) -> Tensor:
    """Mean Shannon entropy of the softmax, −(1/N) Σ_i Σ_k p_ik log p_ik, computed in log space.

    Entropy minimisation, Grandvalet & Bengio 2004, https://papers.nips.cc/paper/2740.

    Args:
        logits: Class logits `(N, K)`.

    Returns:
        Scalar in nats, in [0, log K].

    Raises:
        AdaptError: `logits` is no matrix or is empty.
    """
    if logits.ndim != 2 or logits.numel() == 0:
        raise AdaptError(f"entropy expects logits (N, K) of at least one sample, found {tuple(logits.shape)}.")
    log_p = log_softmax(logits, dim=1)
    return -(log_p.exp() * log_p).sum(1).mean()
