"""Confidence in pseudo-labels that the source's model and the target's own clusters agree on."""

import math

import torch
from torch import Tensor
from torch.nn.functional import normalize

from adapt.errors import AdaptError
from adapt.losses.inputs import full_precision, in_full_precision
from adapt.losses.predictions import class_logits


@torch.no_grad()
def joint_confidence(features: Tensor, logits: Tensor, *, ridge: float = 1e-6) -> tuple[Tensor, Tensor]:
    """Classes of a whole domain by a Gaussian for each class, and how sure model and clusters are of them together.

    The JMDS score of CoWA, Lee et al. 2022, https://arxiv.org/abs/2206.06640. Features are scaled to length 1. The
    Gaussians begin with means and shares weighted by the softmax p, and the covariance of all samples about each mean;
    one step of expectation and maximisation follows. With g_ik the logarithm of the posterior, the class is
    ŷ_i = argmax_k g_ik and the score `(g_i(1) − g_i(2)) / max_j (g_j(1) − g_j(2)) · p_iŷ`: the gap between the two
    highest, as a share of the largest gap, times the model's own probability of that class. Computed in double
    precision, for covariances of few samples have next to no determinant.

    Args:
        features: Features of all samples `(N, d)`.
        logits: Their class logits `(N, K)`, K of 2 or more.
        ridge: What is added to the diagonals of the covariances, above 0.

    Returns:
        Posteriors `(N, K)`, whose rows sum to 1, and scores `(N,)` in [0, 1].

    Raises:
        AdaptError: The shapes do not fit, or the ridge is not above 0.

    Examples:
        >>> import torch
        >>> from adapt.losses import joint_confidence
        >>> features = torch.tensor([[1.0, 0.1], [1.0, -0.1], [0.1, 1.0], [-0.1, 1.0], [0.7, 0.7]])
        >>> logits = torch.tensor([[5.0, 0.0], [5.0, 0.0], [0.0, 5.0], [0.0, 5.0], [0.1, 0.0]])
        >>> posteriors, scores = joint_confidence(features, logits)
        >>> posteriors.argmax(1)[:4], bool(scores[4] < scores[:4].min())  # the last lies between
        (tensor([0, 0, 1, 1]), True)
    """
    logits = class_logits("joint_confidence", logits)
    if features.ndim != 2 or len(features) != len(logits) or logits.shape[1] < 2:
        raise AdaptError(
            f"joint_confidence expects features (N, d) and logits (N, K) of 2 classes or more of the same samples, "
            f"found {tuple(features.shape)} and {tuple(logits.shape)}."
        )
    if ridge <= 0:
        raise AdaptError(f"joint_confidence expects a ridge above 0, found {ridge}.")
    x, p = normalize(full_precision(features), dim=1).double(), logits.double().softmax(1)
    first = _log_posteriors(x, p, torch.ones_like(p), ridge)
    log_posteriors = _log_posteriors(x, first.exp(), first.exp(), ridge)
    highest, classes = log_posteriors.topk(2, dim=1)
    gaps = highest[:, 0] - highest[:, 1]
    scores = gaps / gaps.max().clamp_min(1e-30) * p.gather(1, classes[:, :1])[:, 0]
    return log_posteriors.exp().to(logits), scores.to(logits)


@in_full_precision
def weighted_targets(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Cross-entropy with soft targets, each sample with its weight, (1/M) Σ_i w_i Σ_k −t_ik log p_ik.

    CoWA, Lee et al. 2022, https://arxiv.org/abs/2206.06640. Divided by the number of samples, not by the weights' sum,
    so that a batch of doubtful samples teaches little.

    Args:
        logits: Class logits `(M, K)`; p is their softmax.
        targets: Probabilities t `(M, K)`, without gradient.
        weights: Weights w `(M,)`, without gradient.

    Returns:
        Scalar in nats.

    Raises:
        AdaptError: `logits` is no matrix or is empty, or the shapes do not fit.

    Examples:
        >>> import torch
        >>> from adapt.losses import weighted_targets
        >>> targets = torch.tensor([[1.0, 0.0], [0.5, 0.5]])
        >>> round(weighted_targets(torch.zeros(2, 2), targets, torch.tensor([1.0, 0.0])).item(), 4)  # log 2, of one
        0.3466
    """
    logits = class_logits("weighted_targets", logits)
    if targets.shape != logits.shape or weights.shape != logits.shape[:1]:
        raise AdaptError(
            f"weighted_targets expects targets {tuple(logits.shape)} as the logits and one weight each, found "
            f"{tuple(targets.shape)} and {tuple(weights.shape)}."
        )
    each = -(targets.detach() * logits.log_softmax(1)).sum(1)
    return (weights.detach() * each).mean()


def _log_posteriors(x: Tensor, shares: Tensor, spread: Tensor, ridge: float) -> Tensor:
    """Of Gaussians with means and sizes by `shares (N, K)`, and covariances by `spread (N, K)`."""
    counts = shares.sum(0).clamp_min(1e-30)
    columns = []
    # One class after the other: all covariances at once would take K times the memory.
    for k, mean in enumerate((shares.T @ x) / counts[:, None]):
        away = x - mean
        covariance = away.T @ (away * spread[:, k : k + 1]) / spread[:, k].sum().clamp_min(1e-30)
        covariance.diagonal().add_(ridge)
        root = torch.linalg.cholesky(covariance)
        distance = torch.linalg.solve_triangular(root, away.T, upper=False).square().sum(0)
        columns.append(counts[k].log() - root.diagonal().log().sum() - 0.5 * distance)
    joint = torch.stack(columns, 1) - 0.5 * x.shape[1] * math.log(2 * math.pi)
    return joint - joint.logsumexp(1, keepdim=True)
