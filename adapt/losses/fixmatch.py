"""Pseudo-labels across augmentations."""

from torch import Tensor
from torch.nn.functional import cross_entropy

from adapt.errors import AdaptError
from adapt.losses.inputs import in_full_precision
from adapt.losses.predictions import class_logits, view_logits


@in_full_precision
def fixmatch(strong: Tensor, weak: Tensor, *, threshold: float = 0.95) -> Tensor:
    """Pseudo-label loss, (1/M) Σ_i 1[max_k q_ik ≥ τ] CE(strong_i, argmax_k q_ik), with q the softmax of `weak`.

    FixMatch, Sohn et al. 2020, https://arxiv.org/abs/2001.07685. The mean is over all M samples; samples below the
    threshold count as 0. No gradient passes through `weak`.

    Args:
        strong: Class logits of the strongly augmented samples `(M, K)`, which learn.
        weak: Class logits of the same samples, weakly augmented `(M, K)`, which teach.
        threshold: Probability τ from which a prediction is a pseudo-label, in [0, 1].

    Returns:
        Scalar in nats, nonnegative.

    Raises:
        AdaptError: A tensor is not a matrix or is empty, the shapes differ, or τ is out of range.

    Examples:
        >>> import torch
        >>> from adapt.losses import fixmatch
        >>> weak = torch.tensor([[9.0, 0.0], [0.0, 0.0]])  # the second is not sure enough
        >>> round(fixmatch(torch.zeros(2, 2), weak).item(), 4)  # log 2 for one sample of two
        0.3466
    """
    strong, weak = view_logits("fixmatch", strong, weak)
    losses = cross_entropy(strong, weak.argmax(1), reduction="none")
    return (losses * confident(weak, threshold)).mean()


@in_full_precision
def confident(logits: Tensor, threshold: float) -> Tensor:
    """Which samples' largest probability reaches a threshold.

    Args:
        logits: Class logits `(N, K)`.
        threshold: In [0, 1].

    Returns:
        Booleans `(N,)`.

    Raises:
        AdaptError: `logits` is not a matrix or is empty, or the threshold is out of range.

    Examples:
        >>> import torch
        >>> from adapt.losses import confident
        >>> confident(torch.tensor([[9.0, 0.0], [0.0, 0.0]]), 0.95)
        tensor([ True, False])
    """
    if not 0 <= threshold <= 1:
        raise AdaptError(f"Expected a threshold in [0, 1], found {threshold}.")
    return class_logits("confident", logits).softmax(1).max(1).values >= threshold
