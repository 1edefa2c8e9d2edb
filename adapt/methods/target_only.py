"""Training on the target's labels: the upper bound of every table."""

from typing import ClassVar, Literal

from torch import Tensor

from adapt.data.batches import FewShotPair, Pair
from adapt.methods.base import Method, few_shot


class TargetOnly(Method):
    """Cross-entropy on all labelled target training samples; the source is not used.

    This is the only row of an unsupervised table that may use target labels. It shows what the same recipe reaches with
    them.

    Formula: `L = CE(f(x_t), y_t)`, with x_t `(N, ...)` and y_t `(N,)`.

    Paper: Ganin et al., Domain-Adversarial Training of Neural Networks, JMLR 2016
    (https://jmlr.org/papers/v17/15-239.html), where this row is called "train on target".
    """

    family: ClassVar[str] = "bounds"
    target_labels: ClassVar[Literal["none", "few", "all"]] = "all"

    def losses(self, batch: Pair | FewShotPair) -> dict[str, Tensor]:
        """Cross-entropy on the labelled target batch."""
        labelled = few_shot(self, batch)
        return {"target": self.supervised_loss(self(labelled.x).logits, labelled.y)}
