"""Weights of the domain loss by certainty, and the size of a bridge."""

import torch
from torch import Tensor
from torch.nn.functional import log_softmax

from adapt.losses.inputs import feature_pair, in_full_precision


@in_full_precision
def certainty_weights(source_logits: Tensor, target_logits: Tensor) -> tuple[Tensor, Tensor]:
    """Weights e^{−H(p)} of each sample, H in nats, divided by their mean over the sample's own domain.

    GVB, Cui et al. 2020, https://arxiv.org/abs/2003.13183. Unlike `entropy_weights`, an undecided sample among
    many classes weighs next to nothing. A gradient passes through each sample's weight and not through the mean, as
    in the authors' code, which also reverses it; this function does not.

    Args:
        source_logits: Class logits `(N, K)`.
        target_logits: Class logits `(M, K)`; N ≠ M is allowed.

    Returns:
        Weights `(N,)` and `(M,)`, each with mean 1.

    Raises:
        AdaptError: A tensor is no matrix or is empty, or the class counts differ.

    Examples:
        >>> import torch
        >>> from adapt.losses import certainty_weights
        >>> logits = torch.tensor([[100.0, 0.0], [0.0, 0.0]])  # e^0 and e^−log 2, over their mean
        >>> certainty_weights(logits, logits)[0]
        tensor([1.3333, 0.6667])
    """
    pair = feature_pair("certainty_weights", source_logits, target_logits, minimum=1)
    of_source, of_target = (torch.exp((log_softmax(x, 1).exp() * log_softmax(x, 1)).sum(1)) for x in pair)
    return of_source / of_source.mean().detach(), of_target / of_target.mean().detach()
