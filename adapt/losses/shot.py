"""The two losses of SHOT: information maximisation, and pseudo-labels from class centroids."""

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import log_softmax, normalize, one_hot, pad

from adapt.errors import AdaptError
from adapt.losses.entropy import entropy as mean_entropy
from adapt.losses.inputs import in_full_precision
from adapt.losses.predictions import class_logits


@in_full_precision
def information_maximisation(logits: Tensor, *, entropy: bool = True, diversity: bool = True) -> Tensor:
    """Mean entropy of the predictions minus the entropy of the mean prediction, (1/N) Σ_i H(p_i) − H((1/N) Σ_i p_i).

    SHOT, Liang et al. 2020, https://arxiv.org/abs/2002.08546. It is the negative mutual information of samples and
    predictions: low if each prediction is certain and all classes are used. Computed in log space; the authors' code
    adds 1e-5 to the probabilities instead.

    Args:
        logits: Class logits `(N, K)`.
        entropy: Whether the first term counts.
        diversity: Whether the second term counts.

    Returns:
        Scalar in nats, in [−log K, 0] with both terms.

    Raises:
        AdaptError: `logits` is not a matrix or is empty, or no term is left.

    Examples:
        >>> import torch
        >>> from adapt.losses import information_maximisation
        >>> round(information_maximisation(100 * torch.eye(2)).item(), 4)  # certain, and of every class: −log 2
        -0.6931
    """
    if not (entropy or diversity):
        raise AdaptError("information_maximisation expects entropy, diversity or both, found neither.")
    log_p = log_softmax(class_logits("information_maximisation", logits), dim=1)
    log_mean = torch.logsumexp(log_p, dim=0) - math.log(len(log_p))
    value = (log_mean.exp() * log_mean).sum() if diversity else log_mean.new_zeros(())
    return value + mean_entropy(logits) if entropy else value


@torch.no_grad()
@in_full_precision
def centroid_labels(
    features: Tensor,
    logits: Tensor,
    *,
    rounds: int = 2,
    threshold: int = 0,
    variant: Literal["paper", "code"] = "paper",
) -> Tensor:
    """Pseudo-labels of a whole domain: each sample gets the class with the nearest centroid in cosine distance.

    SHOT, Liang et al. 2020, https://arxiv.org/abs/2002.08546. In the first round q_i is the softmax of sample i's
    logits; in later rounds it is the previous round's label, one-hot: c_k = Σ_i q_ik f_i / Σ_i q_ik, ŷ_i = argmin_k 1 −
    cos(f_i, c_k).

    A class counts only if more than `threshold` samples have it: by the largest logit in the first round, by the
    previous round's labels afterwards. No gradient passes.

    Args:
        features: Features of all samples `(N, d)`.
        logits: Their class logits `(N, K)`.
        rounds: Number of rounds.
        threshold: A class needs more samples than this.
        variant: `"paper"` is the formula above; `"code"` first appends a 1 to each feature vector and scales it to
            length 1, as the authors' code does.

    Returns:
        Class indices `(N,)`, int64.

    Raises:
        AdaptError: The shapes do not fit, an option is out of range, or no class is left.

    Examples:
        >>> import torch
        >>> from adapt.losses import centroid_labels
        >>> features = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]])
        >>> centroid_labels(features, torch.tensor([[9.0, 0.0], [0.0, 0.0], [0.0, 9.0]]))
        tensor([0, 0, 1])
    """
    logits = class_logits("centroid_labels", logits)
    if features.ndim != 2 or len(features) != len(logits):
        raise AdaptError(
            f"centroid_labels expects features (N, d) and logits (N, K) of the same samples, found "
            f"{tuple(features.shape)} and {tuple(logits.shape)}."
        )
    if rounds < 1 or threshold < 0:
        raise AdaptError(f"centroid_labels expects rounds >= 1 and threshold >= 0, found {rounds} and {threshold}.")
    if variant not in ("paper", "code"):
        raise AdaptError(f"variant expects 'paper' or 'code', found {variant!r}.")
    unit = normalize(features, dim=1)
    if variant == "code":
        features = unit = normalize(pad(features, (0, 1), value=1.0), dim=1)
    classes = logits.shape[1]
    weights, labels = logits.softmax(1).to(features.dtype), logits.argmax(1)
    for _ in range(rounds):
        kept = (labels.bincount(minlength=classes) > threshold).nonzero().flatten()
        if len(kept) == 0:
            raise AdaptError(
                f"centroid_labels found no class with more than {threshold} of {len(labels)} samples. "
                "Lower the threshold."
            )
        # A centroid's length does not change its angle, so the sum can replace the mean.
        centroids = normalize((weights.T @ features)[kept], dim=1)
        labels = kept[(unit @ centroids.T).argmax(1)]
        weights = one_hot(labels, classes).to(features.dtype)
    return labels
