"""How a source classifier sees the target classes, and the loss that keeps this."""

import math

import torch
from torch import Tensor
from torch.nn import functional

from adapt.errors import AdaptError
from adapt.losses.inputs import in_full_precision
from adapt.losses.predictions import class_logits

_STEPS = 60


@in_full_precision
def co_tuning(logits: Tensor, soft_labels: Tensor) -> Tensor:
    """Cross-entropy of the source head's predictions against translated labels, −(1/N) Σ_i Σ_s p_is log q_is.

    Co-Tuning, You et al. 2020,
    https://proceedings.neurips.cc/paper/2020/hash/c8067ad1937f728f51288b3eb986afaa-Abstract.html.

    Args:
        logits: Logits of the source head `(N, S)`.
        soft_labels: For each sample p(y_s | its target class) `(N, S)`.

    Returns:
        Scalar in nats.

    Raises:
        AdaptError: A tensor is not a matrix or empty, or the shapes differ.

    Examples:
        >>> import torch
        >>> from adapt.losses import co_tuning
        >>> round(co_tuning(torch.zeros(1, 2), torch.tensor([[0.5, 0.5]])).item(), 4)  # log 2
        0.6931
    """
    logits = class_logits("co_tuning", logits)
    if logits.shape != soft_labels.shape:
        raise AdaptError(
            f"co_tuning expects one soft label per sample and source class, found logits of shape "
            f"{tuple(logits.shape)} and labels of shape {tuple(soft_labels.shape)}."
        )
    return functional.cross_entropy(logits, soft_labels.to(logits.dtype))


@in_full_precision
def category_relationship(logits: Tensor, y: Tensor, num_classes: int, *, temperature: float = 1.0) -> Tensor:
    """Source-class probabilities of each target class, p(y_s | y_t) = mean of softmax(z_i / T) over y_i = y_t.

    The direct approach of Co-Tuning (see `co_tuning`).

    Args:
        logits: The source classifier's logits of labelled target samples `(N, S)`.
        y: Their target classes `(N,)`.
        num_classes: Number of target classes K.
        temperature: Temperature T that calibrates the source classifier.

    Returns:
        Matrix `(K, S)` whose rows sum to 1. A class without a sample has a uniform row.

    Raises:
        AdaptError: The shapes do not fit.

    Examples:
        >>> import torch
        >>> from adapt.losses import category_relationship
        >>> logits = torch.tensor([[9.0, 0.0], [0.0, 9.0]])  # of a source classifier, on target samples
        >>> category_relationship(logits, torch.tensor([0, 1]), num_classes=2).argmax(1)
        tensor([0, 1])
    """
    logits = class_logits("category_relationship", logits)
    if y.shape != logits.shape[:1]:
        raise AdaptError(
            f"category_relationship expects one class per sample, found {len(logits)} samples and classes of shape "
            f"{tuple(y.shape)}."
        )
    probabilities = (logits / temperature).softmax(1)
    member = functional.one_hot(y, num_classes).to(probabilities.dtype)
    count = member.sum(0)[:, None]
    uniform = torch.full_like(probabilities[:1], 1 / logits.shape[1])
    return torch.where(count > 0, member.T @ probabilities / count.clamp(min=1), uniform)


@in_full_precision
def calibration_temperature(logits: Tensor, y: Tensor, *, lowest: float = 0.1, highest: float = 10.0) -> float:
    """The temperature T that minimises the cross-entropy of z / T on held-out samples.

    Guo et al., On Calibration of Modern Neural Networks, 2017, https://arxiv.org/abs/1706.04599. The loss is convex in
    1 / T, so bisection of its slope finds the minimum.

    Args:
        logits: Logits of held-out samples `(N, K)`.
        y: Their classes `(N,)`.
        lowest: Smallest T. A classifier that makes no mistake gets this value.
        highest: Largest T.

    Returns:
        T in [lowest, highest].

    Raises:
        AdaptError: `logits` is not a matrix or is empty.

    Examples:
        >>> import torch
        >>> from adapt.losses import calibration_temperature
        >>> logits = torch.tensor([[4.0, 0.0]] * 4)  # certain, and wrong for one in four
        >>> round(calibration_temperature(logits, torch.tensor([0, 0, 0, 1])), 2)  # 4 / log 3
        3.64
    """
    logits = class_logits("calibration_temperature", logits).detach().double()
    truth = logits.gather(1, y[:, None]).mean()
    low, high = 1 / highest, 1 / lowest
    for _ in range(_STEPS):
        scale = math.sqrt(low * high)
        slope = ((scale * logits).softmax(1) * logits).sum(1).mean() - truth
        low, high = (low, scale) if slope > 0 else (scale, high)
    return 1 / math.sqrt(low * high)
