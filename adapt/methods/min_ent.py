"""Entropy minimisation."""

from typing import Any, ClassVar

from torch import Tensor

from adapt import penalties
from adapt.data.batches import Pair
from adapt.methods.base import Method
from adapt.problems import Classification, Problem


class MinEnt(Method):
    """Minimise the entropy of the target predictions, so that the decision boundary avoids dense target regions.

    Paper: Grandvalet and Bengio, Semi-supervised Learning by Entropy Minimization, NeurIPS 2004
    (https://papers.nips.cc/paper/2740).

    Formula: `L = CE(f(x_s), y_s) − w · (1/M) Σ_j Σ_k p_jk log p_jk`, with p the softmax of the target logits `(M, K)`.

    This is the paper's loss, with the target as its unlabelled data. Departures: w is constant, while the paper anneals
    it; the two domains are encoded in one pass (TLlib). Nothing prevents that all target samples end in one class, and
    a network that is often wrong on the target becomes certain of its errors. On USPS → MNIST it ends below source-only
    (benchmarks/methods); on Amazon reviews nearly a whole target ends in one class (benchmarks/amazon). `BNM` and `MCC`
    also reward diversity or less confusion: this repairs the digits and loses less on the reviews.

    Published: not on a task here.

    Args:
        weight: Weight w of the entropy.
        **kwargs: Arguments of `Method`.
    """

    family: ClassVar[str] = "self-training"
    problems: ClassVar[tuple[type[Problem], ...]] = (Classification,)

    def __init__(self, weight: float = 0.1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.term = penalties.MinEnt(weight)

    def losses(self, batch: Pair) -> dict[str, Tensor]:
        """Source cross-entropy and the target's entropy."""
        source, target = self.encode(batch)
        return {
            "source": self.supervised_loss(source.logits, batch.source.y),
            "entropy": self.term(source, target),
        }
