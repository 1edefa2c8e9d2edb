"""Agreement of the mean prediction with known shares of the classes."""

import math

import torch
from torch import Tensor
from torch.nn.functional import log_softmax

from adapt.errors import AdaptError
from adapt.losses.inputs import in_full_precision
from adapt.losses.predictions import class_logits


@in_full_precision
def label_proportions(logits: Tensor, proportions: Tensor) -> Tensor:
    """Divergence of the mean prediction from known shares, KL(π ‖ p̄) = Σ_k π_k log(π_k / p̄_k), p̄ the mean softmax.

    The weak supervision of CoDATS, Wilson et al. 2020, https://arxiv.org/abs/2005.10996: how often each class occurs
    in the target is known (a person says how much they walked), which sample is which is not.

    Args:
        logits: Class logits `(N, K)`.
        proportions: Shares π of the classes `(K,)`, which sum to 1.

    Returns:
        Scalar in nats, nonnegative.

    Raises:
        AdaptError: `logits` is no matrix or is empty, or the shares are not K numbers of at least 0 that sum to 1.

    Examples:
        >>> import torch
        >>> from adapt.losses import label_proportions
        >>> round(label_proportions(torch.zeros(4, 2), torch.tensor([1.0, 0.0])).item(), 4)  # log 2
        0.6931
    """
    logits = class_logits("label_proportions", logits)
    if proportions.shape != logits.shape[1:]:
        raise AdaptError(
            f"label_proportions expects one share for each of the {logits.shape[1]} classes, found "
            f"{tuple(proportions.shape)}."
        )
    # log p̄ in log space: a class that nobody predicts has a large loss, and not an infinite one.
    log_mean = log_softmax(logits, 1).logsumexp(0) - math.log(len(logits))
    shares = proportions.to(logits)
    divergence: Tensor = torch.special.xlogy(shares, shares) - shares * log_mean
    return divergence.sum()
