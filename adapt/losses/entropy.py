"""Entropy of predictions."""

from torch import Tensor
from torch.nn.functional import log_softmax

from adapt.losses.inputs import in_full_precision
from adapt.losses.predictions import class_logits


@in_full_precision
def sample_entropy(logits: Tensor) -> Tensor:
    """Shannon entropy of each sample's softmax, −Σ_k p_ik log p_ik, computed in log space.

    Args:
        logits: Class logits `(N, K)`.

    Returns:
        `(N,)` in nats, in [0, log K].

    Raises:
        AdaptError: `logits` is not a matrix or is empty.

    Examples:
        >>> import torch
        >>> from adapt.losses import sample_entropy
        >>> sample_entropy(torch.tensor([[0.0, 0.0], [1.0, 0.0]]))
        tensor([0.6931, 0.5822])
    """
    log_p = log_softmax(class_logits("entropy", logits), dim=1)
    return -(log_p.exp() * log_p).sum(1)


@in_full_precision
def entropy(logits: Tensor) -> Tensor:
    """Mean Shannon entropy of the softmax, −(1/N) Σ_i Σ_k p_ik log p_ik, computed in log space.

    Entropy minimisation, Grandvalet & Bengio 2004, https://papers.nips.cc/paper/2740.

    Args:
        logits: Class logits `(N, K)`.

    Returns:
        Scalar in nats, in [0, log K].

    Raises:
        AdaptError: `logits` is not a matrix or is empty.

    Examples:
        >>> import torch
        >>> from adapt.losses import entropy
        >>> round(entropy(torch.tensor([[0.0, 0.0], [100.0, 0.0]])).item(), 4)  # the mean of log 2 and 0
        0.3466
    """
    return sample_entropy(logits).mean()
