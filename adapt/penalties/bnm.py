"""Batch nuclear-norm maximisation, as an extra term of another method."""

from typing import ClassVar

from torch import Tensor

from adapt.encoding import Encoding
from adapt.losses import bnm
from adapt.penalties.base import Penalty
from adapt.problems import Classification, Problem


class BNM(Penalty):
    """Negative nuclear norm of the target predictions.

    Paper: Cui et al., Towards Discriminability and Diversity: Batch Nuclear-norm Maximization under Label Insufficient
    Situations, CVPR 2020 (https://arxiv.org/abs/2003.12237).

    Formula: `w · −‖P‖_* / M`, with P the softmax of the target logits `(M, K)`.

    Args:
        weight: Weight w.
    """

    problems: ClassVar[tuple[type[Problem], ...]] = (Classification,)

    def value(self, source: Encoding, target: Encoding) -> Tensor:
        """Negative nuclear norm divided by the batch size."""
        return bnm(target.logits)
