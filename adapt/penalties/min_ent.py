"""Entropy minimisation, as an extra term of another method."""

from typing import ClassVar

from torch import Tensor

from adapt.encoding import Encoding
from adapt.losses import entropy
from adapt.penalties.base import Penalty
from adapt.problems import Classification, Problem


class MinEnt(Penalty):
    """Mean entropy of the target predictions.

    Paper: Grandvalet and Bengio, Semi-supervised Learning by Entropy Minimization, NeurIPS 2004
    (https://papers.nips.cc/paper/2740).

    Formula: `w · −(1/M) Σ_j Σ_k p_jk log p_jk`, with p the softmax of the target logits `(M, K)`.

    Args:
        weight: Weight w.
    """

    problems: ClassVar[tuple[type[Problem], ...]] = (Classification,)

    def __init__(self, weight: float = 0.1) -> None:
        super().__init__(weight)

    def value(self, source: Encoding, target: Encoding) -> Tensor:
        """Mean entropy in nats."""
        return entropy(target.logits)
