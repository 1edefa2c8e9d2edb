"""Importance-weighted validation on the source."""

from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from adapt.errors import AdaptError
from adapt.selection.scores.labels import labelled_logits

Risk = Literal["error", "cross_entropy"]


def iwcv(logits: Tensor, y: Tensor, weights: Tensor, *, risk: Risk = "error") -> Tensor:
    """Negative importance-weighted risk of held-out source samples, −(1/N) Σ_i w_i ℓ_i; higher is better.

    Importance-weighted cross-validation, Sugiyama et al. 2007, https://jmlr.org/papers/v8/sugiyama07a.html. If the
    domains are easy to tell apart, all weights are near 0 and any network looks perfect; `dev` corrects this.

    Cost: O(NK) time and memory, plus the weights (see `domain_log_odds`).

    Args:
        logits: Class logits of the source `(N, K)`.
        y: Class indices of the source `(N,)`.
        weights: Ratios p_t/p_s `(N,)`: `domain_log_odds(...)[0].exp()`.
        risk: ℓ: 0 or 1, or the cross-entropy in nats.

    Returns:
        Scalar, at most 0.

    Raises:
        AdaptError: The shapes do not fit, a weight is negative or not finite, or the risk is unknown.
    """
    return -_weighted("iwcv", logits, y, weights, risk).mean()


def dev(logits: Tensor, y: Tensor, weights: Tensor, *, risk: Risk = "error") -> Tensor:
    """Negative importance-weighted risk with the weights as control variate; higher is better.

    Deep Embedded Validation, You et al. 2019, https://proceedings.mlr.press/v97/you19a.html:
    −[mean(wℓ) + η mean(w) − η] with η = −Cov(wℓ, w) / Var(w), both with n − 1: the weights' mean is known to be 1,
    which reduces the variance of the estimate. With equal weights η is 0.

    Cost: O(NK) time and memory, plus the weights (see `domain_log_odds`).

    Args:
        logits: Class logits of the source `(N, K)`, N ≥ 2.
        y: Class indices of the source `(N,)`.
        weights: Ratios p_t/p_s `(N,)`: `domain_log_odds(...)[0].exp()`.
        risk: ℓ: 0 or 1 as in the paper, or the cross-entropy in nats.

    Returns:
        Scalar, usually at most 0; the correction can lift it above.

    Raises:
        AdaptError: The shapes do not fit, fewer than 2 samples, a weight is negative or not finite, or the risk is
            unknown.
    """
    weighted = _weighted("dev", logits, y, weights, risk)
    if len(weighted) < 2:
        raise AdaptError(f"dev expects at least 2 source samples, found {len(weighted)}.")
    joint = torch.cov(torch.stack([weighted, weights.to(weighted)]))
    eta = torch.where(joint[1, 1] > 0, -joint[0, 1] / joint[1, 1], torch.zeros_like(joint[0, 1]))
    return -(weighted.mean() + eta * (weights.to(weighted).mean() - 1))


def _weighted(score: str, logits: Tensor, y: Tensor, weights: Tensor, risk: str) -> Tensor:
    logits = labelled_logits(score, logits, y)
    if weights.shape != y.shape or not bool((torch.isfinite(weights) & (weights >= 0)).all()):
        raise AdaptError(
            f"{score} expects a finite weight of at least 0 for each of {len(y)} samples, found weights of shape "
            f"{tuple(weights.shape)}, from {weights.min():.3g} to {weights.max():.3g}."
        )
    if risk not in get_args(Risk):
        raise AdaptError(f"risk expects 'error' or 'cross_entropy', found {risk!r}.")
    wrong = logits.argmax(1) != y
    return weights.to(logits) * (wrong if risk == "error" else cross_entropy(logits, y, reduction="none"))
