"""Average threshold confidence."""

from typing import Literal, get_args

from torch import Tensor

from adapt.errors import AdaptError
from adapt.losses.predictions import class_logits
from adapt.selection.scores.labels import labelled_logits

Certainty = Literal["negative_entropy", "confidence"]


def average_threshold_confidence(
    source: Tensor, y: Tensor, target: Tensor, *, certainty: Certainty = "negative_entropy"
) -> Tensor:
    """Share of target samples whose certainty reaches a threshold that is right on the source.

    Garg et al., ICLR 2022, https://arxiv.org/abs/2201.04234. The threshold t is where the share of held-out source
    samples with s(x) < t equals the source's error; the estimate is the share of target samples with s(x) ≥ t. The
    certainty s is −H(p), the paper's better one, or max_k p_k. The paper calibrates p by temperature first.

    Reads labelled held-out source samples and unlabelled target samples. Cost: O(N log N + (N + M) K) time.

    Args:
        source: Class logits of held-out source samples `(N, K)`.
        y: Their class indices `(N,)`.
        target: Class logits of target samples `(M, K)`; N ≠ M is allowed.
        certainty: s.

    Returns:
        Accuracy in [0, 1].

    Raises:
        AdaptError: The shapes do not fit, or the certainty is unknown.

    Examples:
        >>> import torch
        >>> from adapt.estimation import average_threshold_confidence
        >>> source = torch.tensor([[3.0, 0.0], [2.0, 0.0], [1.0, 0.0], [0.5, 0.0]])
        >>> y = torch.tensor([0, 0, 0, 1])  # the least certain one is wrong: t is the certainty of the third
        >>> average_threshold_confidence(source, y, torch.tensor([[0.9, 0.0], [4.0, 0.0]])).item()
        0.5
    """
    source = labelled_logits("average_threshold_confidence", source, y)
    target = class_logits("average_threshold_confidence", target)
    if certainty not in get_args(Certainty):
        raise AdaptError(f"certainty expects 'negative_entropy' or 'confidence', found {certainty!r}.")
    ordered = _certainty(source, certainty).sort().values
    wrong = int((source.argmax(1) != y).sum())
    if wrong == len(ordered):  # then no certainty is enough
        return target.new_zeros(())
    return (_certainty(target, certainty) >= ordered[wrong]).to(target.dtype).mean()


def _certainty(logits: Tensor, certainty: str) -> Tensor:
    logs = logits.log_softmax(1)
    return (logs.exp() * logs).sum(1) if certainty == "negative_entropy" else logs.amax(1)
