"""Discriminator-free adversarial learning."""

from typing import Any, ClassVar

from torch import Tensor

from adapt import penalties
from adapt.data.batches import Pair
from adapt.methods.base import Method
from adapt.problems import Classification, Problem
from adapt.schedules import Reversal


class DALN(Method):
    """Adversarial training without a discriminator: the classifier itself tells the domains apart.

    Paper: Chen et al., Reusing the Task-specific Classifier as a Discriminator: Discriminator-free Adversarial Domain
    Adaptation, CVPR 2022 (https://arxiv.org/abs/2204.03838).

    Formula: `L = CE(f(x_s), y_s) − w · [‖P_s‖_* / N − ‖P_t‖_* / M]`, with P_s = softmax c(R_λ(g(x_s))) `(N, K)` and P_t
    alike `(M, K)`, c the classifier, R_λ the reversal of DANN and ‖·‖_* the sum of singular values, see
    `adapt.losses.nwd`. The classifier maximises the difference in brackets, the features g minimise it.

    As in the authors' code, but for the schedule of λ: theirs is `tllib`, which takes thousands of steps to grow;
    `ganin`, the default here, follows the training's progress as in every adversarial method of this library.
    What it does to the features is what BNM does to the predictions, held back by the source's
    own nuclear norm. It needs batches that hold several samples of each class.

    Published, ResNet-50, means: Office-31 90.4, Office-Home 71.8 % (paper).

    Args:
        weight: Weight w of the discrepancy.
        schedule: λ over training: `ganin`, `tllib` or `constant`, as `DANN` has them.
        gamma: Steepness of the `ganin` schedule.
        max_lambda: The value that λ approaches.
        **kwargs: Arguments of `Method`.
    """

    family: ClassVar[str] = "adversarial"
    problems: ClassVar[tuple[type[Problem], ...]] = (Classification,)

    def __init__(
        self,
        weight: float = 1.0,
        schedule: Reversal = "ganin",
        gamma: float = 10.0,
        max_lambda: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.term = penalties.NWD(weight, schedule, gamma, max_lambda)

    def losses(self, batch: Pair) -> dict[str, Tensor]:
        """Source cross-entropy and the negative discrepancy, which the features see reversed."""
        source, target = self.encode(batch)
        value = self.term.classifier_value(source, target, self.classify, self.progress, self.batches_seen)
        return {
            "source": self.supervised_loss(source.logits, batch.source.y),
            "nwd": self.term.weight * value,
        }
