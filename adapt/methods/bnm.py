"""Batch nuclear-norm maximisation."""

from typing import Any, ClassVar

from torch import Tensor

from adapt import penalties
from adapt.data.batches import Pair
from adapt.methods.base import Method
from adapt.problems import Classification, Problem


class BNM(Method):
    """Maximise the nuclear norm of the target predictions, so that they are certain and use all classes.

    Paper: Cui et al., Towards Discriminability and Diversity: Batch Nuclear-norm Maximization under Label Insufficient
    Situations, CVPR 2020 (https://arxiv.org/abs/2003.12237).

    Formula: `L = CE(f(x_s), y_s) − w · ‖P‖_* / M`, with P the softmax of the target logits `(M, K)` and ‖·‖_* the sum
    of singular values.

    Unlike the entropy, this term is minimal only if all classes occur, so rare classes do not vanish. The authors' code
    divides by min(M, K) instead of M, so `weight` is their weight times M / min(M, K). Departure: the two domains are
    encoded in one pass (TLlib).

    Published, Office-31 mean, ResNet-50: BNM 87.1 % (paper).

    Args:
        weight: Weight w of the nuclear norm.
        **kwargs: Arguments of `Method`.
    """

    family: ClassVar[str] = "self-training"
    problems: ClassVar[tuple[type[Problem], ...]] = (Classification,)

    def __init__(self, weight: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.term = penalties.BNM(weight)

    def losses(self, batch: Pair) -> dict[str, Tensor]:
        """Source cross-entropy and the target's negative nuclear norm."""
        source, target = self.encode(batch)
        return {
            "source": self.supervised_loss(source.logits, batch.source.y),
            "bnm": self.term(source, target),
        }
