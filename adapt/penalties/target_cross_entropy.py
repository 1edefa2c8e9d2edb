"""Cross-entropy on the few labelled target samples, as an extra term of another method."""

from typing import ClassVar

from torch import Tensor
from torch.nn import functional

from adapt.encoding import Encoding
from adapt.penalties.base import TargetLabelPenalty
from adapt.problems import Classification, Problem


class TargetCrossEntropy(TargetLabelPenalty):
    """Cross-entropy on the labelled target samples of `--data.shots`, which makes any method semi-supervised.

    Paper: Saito et al., Semi-supervised Domain Adaptation via Minimax Entropy, ICCV 2019
    (https://arxiv.org/abs/1904.06487), whose baseline S+T is the cross-entropy on source and target alone.

    Formula: `w · CE(f(x_l), y_l)`, with labelled target samples x_l `(min(N, shots · K), ...)` and y_l in a separate
    batch.

    Args:
        weight: Weight w.
    """

    problems: ClassVar[tuple[type[Problem], ...]] = (Classification,)

    def labelled_value(self, labelled: Encoding, y: Tensor) -> Tensor:
        """Mean cross-entropy in nats."""
        return functional.cross_entropy(labelled.logits, y)
