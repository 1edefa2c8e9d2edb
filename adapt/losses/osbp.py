"""The boundary between known and unknown target samples."""

from torch import Tensor
from torch.nn.functional import log_softmax

from adapt.errors import AdaptError
from adapt.losses.inputs import in_full_precision
from adapt.losses.predictions import class_logits


@in_full_precision
def unknown_boundary(logits: Tensor, *, threshold: float = 0.5) -> Tensor:
    """Cross-entropy of the unknown class's probability p with t, −(1/M) Σ_i [t log p_i + (1 − t) log(1 − p_i)].

    OSBP, Saito et al. 2018, https://arxiv.org/abs/1804.10427. The classifier minimises it, which moves p to t; features
    that maximise it choose for each sample between p = 0, one of the known classes, and p = 1, unknown.

    Args:
        logits: Logits of target samples `(M, K + 1)`, the last column is the unknown class's.
        threshold: The boundary t, in (0, 1).

    Returns:
        Scalar in nats, at least the entropy of t.

    Raises:
        AdaptError: `logits` is no matrix of two columns or more, or the threshold is out of range.

    Examples:
        >>> import torch
        >>> round(unknown_boundary(torch.zeros(1, 2)).item(), 4)  # p = ½: log 2
        0.6931
    """
    logits = class_logits("unknown_boundary", logits)
    if logits.shape[1] < 2 or not 0 < threshold < 1:
        raise AdaptError(
            f"unknown_boundary expects logits (M, K + 1) and a threshold in (0, 1), found {tuple(logits.shape)} and "
            f"{threshold}."
        )
    log_p = log_softmax(logits, 1)
    # log(1 − p) as the sum of the known classes' probabilities, which does not lose digits where p is near 1.
    known, unknown = log_p[:, :-1].logsumexp(1), log_p[:, -1]
    return -(threshold * unknown + (1 - threshold) * known).mean()
