"""One classifier per class that says whether a sample is of it."""

import torch
from torch import Tensor
from torch.nn.functional import softplus

from adapt.errors import AdaptError
from adapt.losses.inputs import in_full_precision
from adapt.losses.predictions import class_logits


@in_full_precision
def one_versus_all(logits: Tensor, y: Tensor) -> Tensor:
    """Binary cross-entropy of the own class and of the hardest other one.

    (1/N) Σ_i ½ [−log p_i^{y_i} − min_{k ≠ y_i} log(1 − p_i^k)], with p the sigmoid. OVANet, Saito & Saenko 2021,
    https://arxiv.org/abs/2104.03344; the ½ is of the authors' code.

    Args:
        logits: Logits `(N, K)`, K ≥ 2; positive where a class takes a sample for its own.
        y: Class indices `(N,)`.

    Returns:
        Scalar in nats, nonnegative.

    Raises:
        AdaptError: `logits` is no matrix of two columns or more, or there is not one label per row.

    Examples:
        >>> import torch
        >>> round(one_versus_all(torch.tensor([[0.0, 0.0, -9.0]]), torch.tensor([0])).item(), 4)  # log 2
        0.6931
    """
    logits = class_logits("one_versus_all", logits)
    if logits.shape[1] < 2 or y.shape != logits.shape[:1]:
        raise AdaptError(
            f"one_versus_all expects logits (N, K) of two classes or more and labels (N,), found "
            f"{tuple(logits.shape)} and {tuple(y.shape)}."
        )
    own = logits.gather(1, y[:, None]).squeeze(1)
    others = logits.scatter(1, y[:, None], -torch.inf).amax(1)
    return (softplus(-own) + softplus(others)).mean() / 2


@in_full_precision
def one_versus_all_entropy(logits: Tensor) -> Tensor:
    """Mean entropy of all binary predictions, −(1/MK) Σ_i Σ_k [p log p + (1 − p) log(1 − p)], with p the sigmoid.

    OVANet, Saito & Saenko 2021, https://arxiv.org/abs/2104.03344; the mean over classes is of the authors' code.

    Args:
        logits: Logits `(M, K)`.

    Returns:
        Scalar in nats, in [0, log 2].

    Raises:
        AdaptError: `logits` is not a matrix or is empty.

    Examples:
        >>> import torch
        >>> round(one_versus_all_entropy(torch.zeros(2, 3)).item(), 4)
        0.6931
    """
    logits = class_logits("one_versus_all_entropy", logits)
    # −p log p − (1 − p) log(1 − p) = softplus(z) − z σ(z)
    return (softplus(logits) - logits * logits.sigmoid()).mean()
