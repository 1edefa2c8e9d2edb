"""Minimum class confusion, as an extra term of another method."""

from typing import ClassVar

from torch import Tensor

from adapt.encoding import Encoding
from adapt.losses import mcc
from adapt.penalties.base import Penalty
from adapt.problems import Classification, Problem


class MCC(Penalty):
    """Confusion between classes in the target predictions; the paper's "MCC as a regularizer", for example of DANN.

    Paper: Jin et al., Minimum Class Confusion for Versatile Domain Adaptation, ECCV 2020
    (https://arxiv.org/abs/1912.03699).

    Formula: `w · (Σ_jk C̃_jk − tr C̃) / K`, see `adapt.losses.mcc`, of the target logits `(M, K)`.

    Args:
        weight: Weight w.
        temperature: Temperature T of the softmax.
    """

    problems: ClassVar[tuple[type[Problem], ...]] = (Classification,)

    def __init__(self, weight: float = 1.0, temperature: float = 2.5) -> None:
        super().__init__(weight)
        self.temperature = temperature

    def value(self, source: Encoding, target: Encoding) -> Tensor:
        """Mean off-diagonal share of the class confusion."""
        return mcc(target.logits, temperature=self.temperature)
