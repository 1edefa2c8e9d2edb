"""The inputs of a conditional domain discriminator, and the weights of the samples."""

import math

import torch
from torch import Tensor
from torch.nn.functional import log_softmax

from adapt.errors import AdaptError
from adapt.losses.inputs import feature_pair, full_precision, in_full_precision


def multilinear(features: Tensor, logits: Tensor, *, maps: tuple[Tensor, Tensor] | None = None) -> Tensor:
    """Outer product f ⊗ p of features and softmax, or its random projection (R_fᵀ f) ⊙ (R_pᵀ p) / √D.

    CDAN, Long et al. 2018, https://arxiv.org/abs/1705.10667. No gradient passes through the softmax p, as in the
    authors' code and TLlib. If the maps are standard normal, inner products of the projections estimate those of the
    outer products.

    Args:
        features: Features f `(N, d)`.
        logits: Class logits `(N, K)`; p is their softmax.
        maps: Fixed random matrices R_f `(d, D)` and R_p `(K, D)` for the projection; None for the product itself.

    Returns:
        `(N, d · K)`, where entry `i · K + k` is f_i p_k, or `(N, D)`.

    Raises:
        AdaptError: A tensor is not a matrix, the sample counts differ, or the maps do not fit.

    Examples:
        >>> import torch
        >>> from adapt.losses import multilinear
        >>> features, logits = torch.tensor([[2.0, 4.0]]), torch.zeros(1, 2)  # p = [½, ½]
        >>> multilinear(features, logits)
        tensor([[1., 1., 2., 2.]])
    """
    if features.ndim != 2 or logits.ndim != 2 or len(features) != len(logits) or logits.shape[1] == 0:
        raise AdaptError(
            "multilinear expects features (N, d) and logits (N, K) of the same samples, "
            f"found {tuple(features.shape)} and {tuple(logits.shape)}."
        )
    probabilities = full_precision(logits.detach()).softmax(1).to(features.dtype)
    if maps is None:
        return (features[:, :, None] * probabilities[:, None, :]).flatten(1)
    of_features, of_classes = maps
    widths = (features.shape[1], logits.shape[1])
    if (of_features.shape[0], of_classes.shape[0]) != widths or of_features.shape[1:] != of_classes.shape[1:]:
        raise AdaptError(
            f"multilinear expects maps ({widths[0]}, D) and ({widths[1]}, D), "
            f"found {tuple(of_features.shape)} and {tuple(of_classes.shape)}."
        )
    return (features @ of_features) * (probabilities @ of_classes) / math.sqrt(of_features.shape[1])


@in_full_precision
def entropy_weights(source_logits: Tensor, target_logits: Tensor, *, gradient: bool = False) -> tuple[Tensor, Tensor]:
    """Weights 1 + e^{−H(p)} of each sample, H in nats, divided by their mean over both domains.

    CDAN+E, Long et al. 2018, https://arxiv.org/abs/1705.10667: samples with certain predictions weigh up to twice as
    much as the others. Normalised over both domains jointly (TLlib; the authors' code normalises each apart).

    Args:
        source_logits: Class logits `(N, K)`.
        target_logits: Class logits `(M, K)`; N ≠ M is allowed.
        gradient: Whether a gradient passes through each sample's 1 + e^{−H(p)}. The mean is constant, as in the
            authors' code. That code also reverses this gradient; this function does not.

    Returns:
        Weights `(N,)` and `(M,)`, whose N + M values have mean 1.

    Raises:
        AdaptError: A tensor is not a matrix or is empty, or the class counts differ.

    Examples:
        >>> import torch
        >>> from adapt.losses import entropy_weights
        >>> certain, uncertain = torch.tensor([[100.0, 0.0]]), torch.zeros(1, 2)
        >>> entropy_weights(certain, uncertain)  # 2 and 1½, over their mean
        (tensor([1.1429]), tensor([0.8571]))
    """
    source, target = feature_pair("entropy_weights", source_logits, target_logits, minimum=1)
    logits = torch.cat([source, target])
    log_p = log_softmax(logits if gradient else logits.detach(), dim=1)
    raw = 1 + (log_p.exp() * log_p).sum(1).exp()
    weights = raw / raw.mean().detach()
    return weights[: len(source)], weights[len(source) :]
