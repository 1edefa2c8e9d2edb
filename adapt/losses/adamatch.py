"""Pseudo-labels aligned with the source's class shares, and as certain as the source's predictions."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from adapt.errors import AdaptError
from adapt.losses.inputs import in_full_precision
from adapt.losses.predictions import class_logits, view_logits


@torch.no_grad()
@in_full_precision
def aligned(logits: Tensor, source_share: Tensor, target_share: Tensor) -> Tensor:
    """Predictions whose classes are as frequent as the source's, q̃_ik ∝ q_ik (s_k + δ) / (t_k + δ), δ = 1e-6.

    Distribution alignment of AdaMatch, Berthelot et al. 2022, https://arxiv.org/abs/2106.04732. Without gradient.

    Args:
        logits: Class logits `(M, K)`; q is their softmax.
        source_share: Mean prediction s of the source `(K,)`.
        target_share: Mean prediction t of the target `(K,)`.

    Returns:
        Probabilities `(M, K)`.

    Raises:
        AdaptError: `logits` is no matrix or is empty, or a share does not fit.

    Examples:
        >>> import torch
        >>> from adapt.losses import aligned
        >>> aligned(torch.zeros(1, 2), torch.tensor([0.5, 0.5]), torch.tensor([0.8, 0.2]))  # the rarer class gains
        tensor([[0.2000, 0.8000]])
    """
    logits = class_logits("aligned", logits)
    for name, share in (("source", source_share), ("target", target_share)):
        if share.shape != logits.shape[1:]:
            raise AdaptError(
                f"aligned expects one {name} share for each of {logits.shape[1]} classes, found {tuple(share.shape)}."
            )
    moved = logits.softmax(1) * (source_share + 1e-6) / (target_share + 1e-6)
    return moved / moved.sum(1, keepdim=True)


@in_full_precision
def adamatch(strong: Tensor, taught: Tensor, source_weak: Tensor, *, threshold: float = 0.9) -> Tensor:
    """Pseudo-label loss, (1/M) Σ_i 1[max_k q̃_ik ≥ c] CE(strong_i, argmax_k q̃_ik), c = τ (1/N) Σ_j max_k p_jk.

    AdaMatch, Berthelot et al. 2022, https://arxiv.org/abs/2106.04732. The bar c is relative: τ of how certain the
    source's predictions p are. Samples that miss it count 0; no gradient passes through p.

    Args:
        strong: Class logits of the strongly augmented target samples `(M, K)`, which learn.
        taught: Aligned predictions q̃ of the same samples, weakly augmented `(M, K)`, from `aligned`.
        source_weak: Class logits of weakly augmented source samples `(N, K)`.
        threshold: Share τ of the source's certainty, in [0, 1].

    Returns:
        Scalar in nats, nonnegative.

    Raises:
        AdaptError: A tensor is no matrix or is empty, the shapes differ, or τ is out of range.

    Examples:
        >>> import torch
        >>> from adapt.losses import adamatch
        >>> taught = torch.tensor([[0.6, 0.4], [0.5, 0.5]])
        >>> source = torch.tensor([[0.4, 0.0]])  # sure at 0.60: the bar is 0.54
        >>> round(adamatch(torch.zeros(2, 2), taught, source).item(), 4)  # log 2 for one sample of two
        0.3466
    """
    if not 0 <= threshold <= 1:
        raise AdaptError(f"adamatch expects a threshold in [0, 1], found {threshold}.")
    strong, taught = view_logits("adamatch", strong, taught)
    bar = threshold * class_logits("adamatch", source_weak).detach().softmax(1).max(1).values.mean()
    sure, labels = taught.max(1)
    return (cross_entropy(strong, labels, reduction="none") * (sure >= bar)).mean()
