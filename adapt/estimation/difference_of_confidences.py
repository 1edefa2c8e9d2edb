"""Difference of confidences."""

from torch import Tensor

from adapt.losses.predictions import class_logits
from adapt.selection.scores.labels import labelled_logits


def difference_of_confidences(source: Tensor, y: Tensor, target: Tensor) -> Tensor:
    """The source's accuracy less what the mean confidence loses from source to target.

    Guillory et al., ICCV 2021, https://arxiv.org/abs/2107.03315:
    acc_s − (mean max_k p_k over the source − mean max_k p_k over the target). The paper also fits a line from this
    difference to the difference of accuracies, on other shifts with labels; here its slope is 1, as Garg et al. 2022
    compare it.

    Reads labelled held-out source samples and unlabelled target samples. Cost: O((N + M) K) time.

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
        >>> from adapt.estimation import difference_of_confidences
        >>> sure, unsure = torch.tensor([[50.0, 0.0]]), torch.tensor([[0.0, 0.0]])
        >>> difference_of_confidences(sure, torch.tensor([0]), unsure).item()
        0.5
    """
    source = labelled_logits("difference_of_confidences", source, y)
    target = class_logits("difference_of_confidences", target)
    accuracy = (source.argmax(1) == y).to(source.dtype).mean()
    lost = source.softmax(1).amax(1).mean() - target.softmax(1).amax(1).mean()
    return (accuracy - lost).clamp(0, 1)
