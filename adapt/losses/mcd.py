"""How much two classifiers disagree."""

import math
from typing import Literal

from torch import Tensor

from adapt.errors import AdaptError
from adapt.losses.inputs import in_full_precision
from adapt.losses.predictions import class_logits
from adapt.losses.sliced_wasserstein import sliced_wasserstein


@in_full_precision
def class_shares(logits: Tensor) -> Tensor:
    """Cross-entropy of the batch's mean prediction p̄ against uniform, −(1/K) Σ_k log p̄_k, computed in log space.

    TLlib adds this class balance to MCD (https://github.com/thuml/Transfer-Learning-Library), with p̄_k + 10⁻⁶ in the
    logarithm.

    Args:
        logits: Class logits `(N, K)`.

    Returns:
        Scalar in nats, at least log K; log K where p̄ is uniform.

    Raises:
        AdaptError: `logits` is not a matrix or is empty.

    Examples:
        >>> import torch
        >>> from adapt.losses import class_shares
        >>> round(class_shares(torch.zeros(3, 2)).item(), 4)  # log 2
        0.6931
    """
    log_p = class_logits("class_shares", logits).log_softmax(1)
    return math.log(len(logits)) - log_p.logsumexp(0).mean()


@in_full_precision
def classifier_discrepancy(
    first: Tensor,
    second: Tensor,
    *,
    kind: Literal["l1", "sliced_wasserstein"] = "l1",
    projections: int = 128,
) -> Tensor:
    """Disagreement of two classifiers on the same samples.

    Args:
        first: Logits of the first classifier `(N, K)`; the formulas compare the softmaxes p and q.
        second: Logits of the second one `(N, K)`.
        kind: `"l1"` is the mean of |p_ik − q_ik| over samples and classes, MCD, Saito et al. 2018,
            https://arxiv.org/abs/1712.02560. `"sliced_wasserstein"` is SWD, Lee et al. 2019,
            https://arxiv.org/abs/1903.04064: the mean over random directions θ of the squared Wasserstein-2 distance
            between the batch's values ⟨θ, p_i⟩ and ⟨θ, q_i⟩. It compares the two distributions, not sample with sample.
        projections: Number of directions, drawn uniformly from the sphere at every call.

    Returns:
        Scalar without unit, nonnegative; `"l1"` is at most 2/K, `"sliced_wasserstein"` at most 2.

    Raises:
        AdaptError: The tensors are not matrices, their shapes differ, or an option does not fit.

    Examples:
        >>> import torch
        >>> from adapt.losses import classifier_discrepancy
        >>> one, other = torch.tensor([[100.0, 0.0]]), torch.tensor([[0.0, 100.0]])
        >>> classifier_discrepancy(one, other).item()  # mean of |1 − 0| and |0 − 1|
        1.0
    """
    if first.shape != second.shape or first.ndim != 2 or first.numel() == 0:
        raise AdaptError(
            "classifier_discrepancy expects two tensors of logits (N, K) on the same samples, "
            f"found {tuple(first.shape)} and {tuple(second.shape)}."
        )
    p, q = first.softmax(1), second.softmax(1)
    if kind == "l1":
        return (p - q).abs().mean()
    if kind == "sliced_wasserstein":
        return sliced_wasserstein(p, q, projections=projections)
    raise AdaptError(f"kind expects 'l1' or 'sliced_wasserstein', found {kind!r}.")
