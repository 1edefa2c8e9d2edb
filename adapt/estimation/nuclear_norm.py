"""Nuclear norm of the predictions."""

from torch import Tensor

from adapt.losses.predictions import class_logits
from adapt.selection.scores import bnm
from adapt.selection.scores.labels import labelled_logits


def nuclear_norm(source: Tensor, y: Tensor, target: Tensor) -> Tensor:
    """The source's accuracy less what the nuclear norm of the predictions loses from source to target.

    Deng et al., ICML 2023, https://arxiv.org/abs/2302.01094: ν = ‖P‖_* / √(N min(N, K)) of the N × K matrix of
    softmax rows is large where predictions are certain and spread over the classes. The paper fits a line from ν to
    accuracy on many synthetic shifts of labelled data. Here the line has slope 1 and goes through the source:
    acc_s − (ν_s − ν_t), which needs no other data set, and is our departure.

    Reads labelled held-out source samples and unlabelled target samples. Cost: O((N + M) K²) time.

    Args:
        source: Class logits of held-out source samples `(N, K)`.
        y: Their class indices `(N,)`.
        target: Class logits of target samples `(M, K)`; N ≠ M is allowed.

    Returns:
        Accuracy, cut to [0, 1].

    Raises:
        AdaptError: The shapes do not fit.

    Examples:
        >>> import torch
        >>> from adapt.estimation import nuclear_norm
        >>> both, one = 50 * torch.eye(2), torch.tensor([[50.0, 0.0], [50.0, 0.0]])
        >>> round(nuclear_norm(both, torch.tensor([0, 1]), one).item(), 4)  # √2 / 2: one class is gone
        0.7071
    """
    source = labelled_logits("nuclear_norm", source, y)
    accuracy = (source.argmax(1) == y).to(source.dtype).mean()
    return (accuracy - (bnm(source) - bnm(class_logits("nuclear_norm", target)))).clamp(0, 1)
