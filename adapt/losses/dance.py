"""Target samples gather at their neighbours or at a class, and become certain that they are known or unknown."""

import math

import torch
from torch import Tensor
from torch.nn.functional import log_softmax, normalize

from adapt.errors import AdaptError
from adapt.losses.inputs import in_full_precision
from adapt.losses.predictions import class_logits


@in_full_precision
def neighbourhood_entropy(
    features: Tensor, memory: Tensor, prototypes: Tensor, index: Tensor, *, temperature: float = 0.05
) -> Tensor:
    """Mean entropy of the similarity to all other target samples and to the classes' prototypes.

    p_ij ∝ exp(f_i·v_j / τ) over the memory's features v and the prototypes, without the sample itself;
    −(1/M) Σ_i Σ_j p_ij log p_ij. DANCE, Saito et al. 2020, https://arxiv.org/abs/2002.07953. Everything is brought to
    length 1. The gradient reaches the features and the prototypes.

    Args:
        features: Target features `(M, d)`.
        memory: Features of all target samples `(N, d)`.
        prototypes: Weights of the classes `(K, d)`.
        index: The samples' positions in the memory `(M,)`.
        temperature: τ, above 0.

    Returns:
        Scalar in nats, in [0, log(N − 1 + K)].

    Raises:
        AdaptError: A shape is wrong, or the temperature is not positive.

    Examples:
        >>> import torch
        >>> v = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
        >>> round(neighbourhood_entropy(v[:1], v, v[:1], torch.tensor([0])).item(), 4)  # one twin, one class: log 2
        0.6931
    """
    widths = {part.shape[1] if part.ndim == 2 else 0 for part in (features, memory, prototypes)}
    if len(widths) != 1 or 0 in widths or index.shape != features.shape[:1] or not len(features):
        raise AdaptError(
            f"neighbourhood_entropy expects features (M, d), memory (N, d), prototypes (K, d) and index (M,), found "
            f"{tuple(features.shape)}, {tuple(memory.shape)}, {tuple(prototypes.shape)} and {tuple(index.shape)}."
        )
    if temperature <= 0:
        raise AdaptError(f"neighbourhood_entropy expects a temperature above 0, found {temperature}.")
    everything = torch.cat([normalize(memory, dim=1).detach(), normalize(prototypes, dim=1)])
    similar = normalize(features, dim=1) @ everything.T / temperature
    # Far below all others, and finite: 0 times minus infinity is no number.
    similar = similar.scatter(1, index[:, None], -1e4)
    log_p = log_softmax(similar, 1)
    return -(log_p.exp() * log_p).sum(1).mean()


@in_full_precision
def entropy_separation(logits: Tensor, *, margin: float = 0.5) -> Tensor:
    """How far the entropies are from ρ = ½ log K, where that is more than the margin, times −1.

    −(1/M) Σ_i |H_i − ρ| over those with |H_i − ρ| > m. DANCE, Saito et al. 2020, https://arxiv.org/abs/2002.07953.

    Samples that are rather certain become more so, as known
    ones; rather uncertain ones become less so, as unknown ones; those between are left alone.

    Args:
        logits: Class logits `(M, K)`.
        margin: m, at least 0.

    Returns:
        Scalar in nats, in [−ρ, 0].

    Raises:
        AdaptError: `logits` is not a matrix or is empty, or the margin is negative.

    Examples:
        >>> import torch
        >>> round(entropy_separation(torch.zeros(1, 4)).item(), 4)  # H = log 4, ρ = log 2
        -0.6931
    """
    logits = class_logits("entropy_separation", logits)
    if margin < 0:
        raise AdaptError(f"entropy_separation expects a margin of at least 0, found {margin}.")
    log_p = log_softmax(logits, 1)
    distance = (-(log_p.exp() * log_p).sum(1) - known_entropy(logits.shape[1])).abs()
    return -torch.where(distance > margin, distance, 0.0).mean()


def known_entropy(classes: int) -> float:
    """The entropy ρ = ½ log K above which DANCE takes a sample for unknown, in nats.

    Args:
        classes: Number of classes K.

    Examples:
        >>> from adapt.losses import known_entropy
        >>> round(known_entropy(10), 4)
        1.1513
    """
    return math.log(classes) / 2
