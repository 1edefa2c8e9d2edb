"""LogME: how well a linear model on the features explains the labels."""

import math

import torch
from torch import Tensor

from adapt.transferability.inputs import labelled

_STEPS, _CHANGE = 100, 1e-6
_TINY = 1e-12
_SMALLEST = 1e-100  # whose square is a number, too


def log_me(features: Tensor, y: Tensor) -> Tensor:
    """Largest log evidence of a Bayesian linear model from features to labels, per sample, averaged over the classes.

    You et al., LogME: Practical Assessment of Pre-trained Models for Transfer Learning, ICML 2021,
    https://arxiv.org/abs/2102.11005. For each class, with its zeros and ones t `(N,)`:
    `max over α, β of log ∫ p(t | w, F, β) p(w | α) dw / N`, with t ~ 𝒩(F w, 1/β) and w ~ 𝒩(0, 1/α). α and β come from
    MacKay's fixed-point steps on the singular values of F, as in the paper's Algorithm 3.

    Higher is better. It compares networks on the same labels; its value has no meaning by itself.

    Args:
        features: Features of labelled samples `(N, d)`.
        y: Class indices `(N,)`.

    Returns:
        The score, a scalar in nats per sample.

    Raises:
        AdaptError: The shapes do not fit, features are not finite, or there is one class.

    Examples:
        >>> import torch
        >>> from adapt.transferability import log_me
        >>> y = torch.tensor([0, 1] * 50)
        >>> telling = torch.stack([y.float(), 1 - y.float()], 1) + 0.1 * torch.randn(100, 2)
        >>> bool(log_me(telling, y) > log_me(torch.randn(100, 2), y))
        True
    """
    x, y = labelled("log_me", features, y)
    u, singular, _ = torch.linalg.svd(x, full_matrices=False)
    squared = singular.square()
    targets = torch.nn.functional.one_hot(y).double()
    along = (u.T @ targets).square()
    outside = (targets.square().sum(0) - along.sum(0)).clamp_min(0)
    evidence = [_evidence(squared, along[:, k], outside[k], len(x)) for k in range(targets.shape[1])]
    return torch.stack(evidence).mean()


def _evidence(squared: Tensor, along: Tensor, outside: Tensor, n: int) -> Tensor:
    alpha = beta = torch.ones((), dtype=torch.float64)
    for _ in range(_STEPS):
        ratio = alpha / beta
        effective = (squared / (squared + ratio)).sum()
        weight = (squared * along / (squared + ratio).square()).sum()
        residual = (along * (ratio / (squared + ratio)).square()).sum() + outside
        # Above zero also for features that are all zero, which explain nothing.
        alpha = (effective / (weight + _TINY)).clamp_min(_SMALLEST)
        beta = (n - effective).clamp_min(_TINY) / (residual + _TINY)
        if abs(float(alpha / beta / ratio) - 1) < _CHANGE:
            break
    ratio = alpha / beta
    weight = (squared * along / (squared + ratio).square()).sum()
    residual = (along * (ratio / (squared + ratio)).square()).sum() + outside
    # Directions beyond the rank of F have log α − log α: they add nothing.
    determinant = (torch.log(alpha) - torch.log(alpha + beta * squared)).sum()
    total = determinant + n * torch.log(beta) - beta * residual - alpha * weight - n * math.log(2 * math.pi)
    return total / (2 * n)
