"""Implicit feature augmentation: what SF(DA)² does with the covariances of its classes."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

from adapt.errors import AdaptError
from adapt.losses.inputs import full_precision, in_full_precision
from adapt.losses.predictions import class_logits


class ClassMoments(NamedTuple):
    """Mean and covariance of each class's features, over all samples that were seen of it.

    Attributes:
        counts: Number of samples seen `(K,)`.
        means: Mean features `(K, d)`; 0 of a class that was not seen.
        covariances: Their covariances, divided by the number of samples `(K, d, d)`.

    Examples:
        >>> import torch
        >>> from adapt.losses import ClassMoments
        >>> seen = ClassMoments(torch.tensor([4.0]), torch.zeros(1, 5), torch.eye(5)[None])
        >>> ClassMoments.empty(1, torch.zeros(8, 5)).covariances.shape == seen.covariances.shape
        True
    """

    counts: Tensor
    means: Tensor
    covariances: Tensor

    @classmethod
    def empty(cls, num_classes: int, features: Tensor) -> "ClassMoments":
        """Of no sample, on the device of features `(M, d)` and in their dtype, but not in half precision."""
        like, width = full_precision(features), features.shape[1]
        shapes = ((num_classes,), (num_classes, width), (num_classes, width, width))
        return cls(*(torch.zeros(shape, dtype=like.dtype, device=like.device) for shape in shapes))

    def detached(self) -> "ClassMoments":
        """The same numbers without a gradient, for the next batch to be added to."""
        return ClassMoments(*(part.detach() for part in self))


@in_full_precision
def with_batch(moments: ClassMoments, features: Tensor, labels: Tensor) -> ClassMoments:
    """The moments once a batch is added, with a gradient through what the batch adds.

    SF(DA)², Hwang et al. 2024, https://arxiv.org/abs/2403.10834: with n new samples of a class after N, of mean μ_b and
    covariance Σ_b, and w = n / (N + n), `Σ ← (1 − w) Σ + w Σ_b + w (1 − w) (μ − μ_b)(μ − μ_b)ᵀ`: that of all N + n.

    Args:
        moments: Those of the batches before, without gradient.
        features: Features of the batch `(M, d)`.
        labels: Their classes `(M,)`, from 0 to K − 1.

    Raises:
        AdaptError: The shapes do not fit.

    Examples:
        >>> import torch
        >>> from adapt.losses import ClassMoments, with_batch
        >>> moments = ClassMoments.empty(1, x := torch.tensor([[0.0], [2.0]]))
        >>> for row in x:  # one sample after the other: the variance of both is 1
        ...     moments = with_batch(moments, row[None], torch.tensor([0]))
        >>> moments.covariances.item()
        1.0
    """
    classes, width = moments.means.shape
    if features.ndim != 2 or features.shape[1] != width or labels.shape != features.shape[:1]:
        raise AdaptError(
            f"with_batch expects features (M, {width}) as before and one class each, found {tuple(features.shape)} and "
            f"{tuple(labels.shape)}."
        )
    member = _membership(labels, classes).to(features)
    new = member.sum(0)
    share = new / (moments.counts + new).clamp_min(1)
    means = member.T @ features / new.clamp_min(1)[:, None]
    away = member.T[:, :, None] * (features - means[labels])
    spread = away.mT @ away / new.clamp_min(1)[:, None, None]
    gap = moments.means - means
    w = share[:, None, None]
    covariances = (1 - w) * moments.covariances + w * spread + w * (1 - w) * gap[:, :, None] * gap[:, None, :]
    return ClassMoments(moments.counts + new, moments.means - share[:, None] * gap, covariances)


@in_full_precision
def ifa(logits: Tensor, weights: Tensor, covariances: Tensor, *, strength: float) -> Tensor:
    """Implicit feature augmentation, (2/M) Σ_i Σ_c −log[ exp z_ic / Σ_k exp(z_ik + λ/2 (w_k−w_c)ᵀ Σ_i (w_k−w_c)) ].

    SF(DA)², Hwang et al. 2024, https://arxiv.org/abs/2403.10834. If features are drawn around each sample with
    covariance λ Σ_i, this bounds the expected −log of the probabilities, without a draw: Σ_i is the covariance of the
    class that the sample is predicted as.

    Args:
        logits: Class logits z of the batch `(M, K)`, of a linear classifier.
        weights: Its weights w `(K, d)`.
        covariances: The classes' covariances `(K, d, d)`.
        strength: Factor λ on them, at least 0.

    Returns:
        Scalar in nats, at least 2 K log K.

    Raises:
        AdaptError: The shapes do not fit, or the strength is negative.

    Examples:
        >>> import torch
        >>> from adapt.losses import ifa
        >>> spread = torch.ones(2, 1, 1)
        >>> round(ifa(torch.zeros(1, 2), torch.zeros(2, 1), spread, strength=1.0).item(), 4)  # 4 log 2
        2.7726
        >>> round(ifa(torch.zeros(1, 2), torch.tensor([[1.0], [-1.0]]), spread, strength=1.0).item(), 4)
        8.5077
    """
    logits = class_logits("ifa", logits)
    if strength < 0:
        raise AdaptError(f"ifa expects a strength of at least 0, found {strength}.")
    classes, width = logits.shape[1], weights.shape[-1]
    if weights.shape != (classes, width) or covariances.shape != (classes, width, width):
        raise AdaptError(
            f"ifa expects weights (K, d) and covariances (K, d, d) of the {classes} classes of the logits, found "
            f"{tuple(weights.shape)} and {tuple(covariances.shape)}."
        )
    products = weights @ covariances @ weights.T  # (K, K, K): the first is the class whose covariance it is
    own = products.diagonal(dim1=1, dim2=2)
    distances = own[:, :, None] + own[:, None, :] - products - products.mT
    raised = logits[:, :, None] + 0.5 * strength * distances[logits.argmax(1)]
    return 2 * (raised.logsumexp(1) - logits).sum(1).mean()


@in_full_precision
def disentanglement(covariances: Tensor, scores: Tensor) -> Tensor:
    """Unlike covariances of classes that are mistaken for each other, −½ Σ_{a≠b} s̄_a·s̄_b (1 − cos(Σ_a, Σ_b)).

    SF(DA)², Hwang et al. 2024, https://arxiv.org/abs/2403.10834, with s̄_a the mean of the predictions of the samples
    predicted as class a, and the cosine that of the matrices as vectors.

    Args:
        covariances: The classes' covariances Σ `(K, d, d)`.
        scores: Predictions s of the whole domain `(N, K)`, without gradient.

    Returns:
        Scalar without unit, at most 0. A class that no sample is predicted as adds nothing.

    Raises:
        AdaptError: The shapes do not fit.

    Examples:
        >>> import torch
        >>> from adapt.losses import disentanglement
        >>> scores = torch.tensor([[0.6, 0.4], [0.4, 0.6]])
        >>> across = torch.diag_embed(torch.eye(2))  # one class varies along one direction, one along the other
        >>> round(disentanglement(across, scores).item(), 4)  # 0.6 · 0.4 + 0.4 · 0.6
        -0.48
    """
    if covariances.ndim != 3 or covariances.shape[1] != covariances.shape[2]:
        raise AdaptError(f"disentanglement expects covariances (K, d, d), found {tuple(covariances.shape)}.")
    if scores.ndim != 2 or len(scores) == 0 or scores.shape[1] != len(covariances):
        raise AdaptError(
            f"disentanglement expects predictions (N, {len(covariances)}) as there are covariances, found "
            f"{tuple(scores.shape)}."
        )
    scores = scores.detach().to(covariances)
    member = _membership(scores.argmax(1), scores.shape[1]).to(scores)
    mean = member.T @ scores / member.sum(0).clamp_min(1)[:, None]
    confused = mean @ mean.T
    flat = normalize(covariances.flatten(1), dim=1)
    unlike = confused * (1 - flat @ flat.T)
    return (unlike.diagonal().sum() - unlike.sum()) / 2


def _membership(labels: Tensor, classes: int) -> Tensor:
    # Not `one_hot`, for which the host waits for the device.
    return labels[:, None] == torch.arange(classes, device=labels.device)
