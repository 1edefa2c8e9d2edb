"""Consistency with a teacher, and balance between the classes."""

from torch import Tensor

from adapt.losses.fixmatch import confident
from adapt.losses.inputs import in_full_precision
from adapt.losses.predictions import class_logits, view_logits

_EPSILON = 1e-6


@in_full_precision
def consistency(student: Tensor, teacher: Tensor, *, threshold: float = 0.0) -> Tensor:
    """Squared difference of predictions, (1/N) Σ_i 1[max_k t_ik ≥ τ] (1/K) Σ_k (s_ik − t_ik)², with s, t the softmaxes.

    Self-ensembling, French et al. 2018, https://arxiv.org/abs/1706.05208, after Mean teachers, Tarvainen & Valpola
    2017, https://arxiv.org/abs/1703.01780. The mean is over all N samples; no gradient passes through the teacher.

    Args:
        student: The student's class logits `(N, K)`.
        teacher: The teacher's class logits of the same samples `(N, K)`.
        threshold: Smallest probability τ at which the teacher counts; with 0 it always counts.

    Returns:
        Scalar without unit, in [0, 2/K].

    Raises:
        AdaptError: A tensor is not a matrix or is empty, the shapes differ, or τ is out of range.

    Examples:
        >>> import torch
        >>> from adapt.losses import consistency
        >>> consistency(torch.zeros(1, 2), torch.tensor([[100.0, 0.0]])).item()  # (½ − 1)² + (½ − 0)², over K
        0.25
    """
    student, teacher = view_logits("consistency", student, teacher)
    differences = (student.softmax(1) - teacher.softmax(1)).square().mean(1)
    return (differences * confident(teacher, threshold)).mean()


@in_full_precision
def class_balance(logits: Tensor) -> Tensor:
    """Binary cross-entropy of the batch's mean prediction p̄ against uniform, −Σ_k [u log p̄_k + (1 − u) log(1 − p̄_k)].

    Self-ensembling, French et al. 2018, https://arxiv.org/abs/1706.05208, with u = 1/K. As in the authors' code, it is
    summed over the classes and has 10⁻⁶ in both logarithms. TLlib averages over the classes.

    Args:
        logits: Class logits `(N, K)`.

    Returns:
        Scalar in nats; smallest if p̄ is uniform.

    Raises:
        AdaptError: `logits` is not a matrix or is empty.

    Examples:
        >>> import torch
        >>> from adapt.losses import class_balance
        >>> round(class_balance(torch.zeros(3, 2)).item(), 4)  # 2 log 2, its least: both classes are as frequent
        1.3863
    """
    mean = class_logits("class_balance", logits).softmax(1).mean(0)
    uniform = 1 / len(mean)
    return -(uniform * (mean + _EPSILON).log() + (1 - uniform) * (1 - mean + _EPSILON).log()).sum()
