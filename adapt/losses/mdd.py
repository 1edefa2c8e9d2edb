"""Margin disparity discrepancy."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from adapt.errors import AdaptError
from adapt.losses.inputs import in_full_precision

# PyTorch clamps the logarithms of its own binary cross-entropy at the same value.
_LOWEST_LOG = -100.0


@in_full_precision
def mdd(
    source_logits: Tensor,
    source_adversary: Tensor,
    target_logits: Tensor,
    target_adversary: Tensor,
    *,
    margin: float = 4.0,
) -> Tensor:
    """Margin disparity discrepancy, mean log(1 − p'_ŷ(x_t)) − γ · mean CE(f'(x_s), ŷ_s).

    Zhang et al. 2019, https://arxiv.org/abs/1904.05801. ŷ is the classifier's prediction; no gradient passes through
    it. p' is the softmax of the adversarial head f'. The head maximises the discrepancy: it agrees with the classifier
    on the source and disagrees on the target. The features minimise it.

    log(1 − p'_ŷ) is computed as the log-sum-exp of the other classes minus that of all, clamped at −100. So it has a
    gradient even if p'_ŷ rounds to 1; TLlib's log(1 − p'_ŷ + 10⁻⁶) has none there.

    Args:
        source_logits: Classifier's logits `(N, K)`; only their arg max is used.
        source_adversary: Adversarial head's logits `(N, K)`.
        target_logits: Classifier's logits `(M, K)`; N ≠ M is allowed.
        target_adversary: Adversarial head's logits `(M, K)`.
        margin: Factor γ; log γ is the margin.

    Returns:
        Scalar in nats, at most 0.

    Raises:
        AdaptError: The shapes do not fit, there is only one class, or the margin is not positive.

    Examples:
        >>> import torch
        >>> from adapt.losses import mdd
        >>> logits, undecided = torch.tensor([[9.0, 0.0]]), torch.zeros(1, 2)
        >>> round(mdd(logits, undecided, logits, undecided, margin=4.0).item(), 4)  # −(4 log 2 + log 2)
        -3.4657
    """
    shapes = [tuple(x.shape) for x in (source_logits, source_adversary, target_logits, target_adversary)]
    if (
        any(len(shape) != 2 or shape[0] == 0 or shape[1] < 2 for shape in shapes)
        or shapes[0] != shapes[1]
        or shapes[2] != shapes[3]
        or shapes[0][1] != shapes[2][1]
    ):
        raise AdaptError(
            "mdd expects logits (N, K), (N, K), (M, K), (M, K) of at least 2 classes, the classifier's before the "
            f"adversarial head's, found {', '.join(map(str, shapes))}."
        )
    if margin <= 0:
        raise AdaptError(f"mdd expects a positive margin, found {margin}.")
    source = cross_entropy(source_adversary, source_logits.argmax(1))
    target = log_complement(target_adversary, target_logits.argmax(1)).mean()
    return target - margin * source


def log_complement(logits: Tensor, classes: Tensor) -> Tensor:
    """log(1 − softmax(logits)_y), at least −100.

    Args:
        logits: Logits `(N, K)`, K ≥ 2.
        classes: Class y of each sample `(N,)`.

    Returns:
        `(N,)`, in nats.
    """
    chosen = torch.zeros_like(logits, dtype=torch.bool).scatter(1, classes[:, None], True)
    others = logits.masked_fill(chosen, float("-inf")).logsumexp(1)
    return (others - logits.logsumexp(1)).clamp(min=_LOWEST_LOG)
