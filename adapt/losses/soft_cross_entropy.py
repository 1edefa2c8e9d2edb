"""Cross-entropy of predictions against other predictions."""

from torch import Tensor

from adapt.errors import AdaptError
from adapt.losses.inputs import in_full_precision
from adapt.losses.predictions import view_logits


@in_full_precision
def soft_cross_entropy(student: Tensor, teacher: Tensor) -> Tensor:
    """Cross-entropy of each sample against a teacher's softmax, −Σ_k q_ik log p_ik.

    CoTTA's consistency loss, Wang et al., CVPR 2022, https://arxiv.org/abs/2203.13591, and RoTTA's, Yuan et al., CVPR
    2023, https://arxiv.org/abs/2303.13899; the teacher gets no gradient.

    Args:
        student: Logits `(N, K)` of p.
        teacher: Logits `(N, K)` of q.

    Returns:
        `(N,)` in nats, nonnegative.

    Raises:
        AdaptError: A tensor is not a matrix or is empty, or the shapes differ.

    Examples:
        >>> import torch
        >>> from adapt.losses import soft_cross_entropy
        >>> soft_cross_entropy(torch.zeros(1, 2), torch.tensor([[9.0, 0.0]]))  # log 2, whatever the teacher says
        tensor([0.6931])
    """
    student, teacher = view_logits("soft_cross_entropy", student, teacher)
    return -(teacher.softmax(1) * student.log_softmax(1)).sum(1)


@in_full_precision
def symmetric_cross_entropy(student: Tensor, teacher: Tensor, alpha: float = 0.5) -> Tensor:
    """Cross-entropy in both directions, −(1−α) Σ_k q_ik log p_ik − α Σ_k p_ik log q_ik, per sample.

    Wang et al., ICCV 2019, https://arxiv.org/abs/1908.06112, with soft labels, as ROID uses it between an augmented
    view p and the view q (Marsden et al., WACV 2024, https://arxiv.org/abs/2306.00650). Both get a gradient, as in the
    authors' code; detach what shall get none.

    Args:
        student: Logits `(N, K)` of p.
        teacher: Logits `(N, K)` of q.
        alpha: Share α of the reversed direction, in [0, 1].

    Returns:
        `(N,)` in nats, nonnegative.

    Raises:
        AdaptError: A tensor is not a matrix or is empty, the shapes differ, or α is not in [0, 1].

    Examples:
        >>> import torch
        >>> from adapt.losses import symmetric_cross_entropy
        >>> symmetric_cross_entropy(torch.zeros(1, 2), torch.zeros(1, 2))
        tensor([0.6931])
    """
    if not 0 <= alpha <= 1:
        raise AdaptError(f"symmetric_cross_entropy expects an alpha between 0 and 1, found {alpha}.")
    view_logits("symmetric_cross_entropy", student, teacher)
    forward = -(teacher.softmax(1) * student.log_softmax(1)).sum(1)
    backward = -(student.softmax(1) * teacher.log_softmax(1)).sum(1)
    return (1 - alpha) * forward + alpha * backward
