"""Importance-weighted validation."""

from torch import Tensor

from adapt.errors import AdaptError
from adapt.selection.scores.importance_weighted import iwcv


def importance_weighted(source: Tensor, y: Tensor, weights: Tensor) -> Tensor:
    """Accuracy on held-out source samples, each weighted by how much likelier it is in the target.

    Importance-weighted validation, Sugiyama et al., JMLR 2007, https://jmlr.org/papers/v8/sugiyama07a.html:
    Σ_i w_i [ŷ_i = y_i] / Σ_i w_i. Dividing by the sum of the weights, and not by N, keeps it in [0, 1] (Hájek's ratio).
    It assumes that inputs shift and their classes do not, and sees nothing of target samples that no source sample
    resembles.

    Reads labelled held-out source samples; the weights read unlabelled target features. Cost: O(NK) time beside the
    weights, for which see `adapt.selection.scores.domain_log_odds`.

    Args:
        source: Class logits of held-out source samples `(N, K)`.
        y: Their class indices `(N,)`.
        weights: Ratios p_t/p_s `(N,)`: `domain_log_odds(source_features, target_features)[0].exp()`.

    Returns:
        Accuracy in [0, 1].

    Raises:
        AdaptError: The shapes do not fit, a weight is negative or not finite, or all are 0.

    Examples:
        >>> import torch
        >>> from adapt.estimation import importance_weighted
        >>> y = torch.tensor([0, 0])  # the first is right, and three times as likely in the target
        >>> importance_weighted(torch.eye(2), y, torch.tensor([3.0, 1.0])).item()
        0.75
    """
    risk = -iwcv(source, y, weights)
    mean = weights.to(risk).mean()
    if not mean > 0:
        raise AdaptError(
            "importance_weighted expects weights above 0, found none. No source sample is like the target."
        )
    return 1 - risk / mean
