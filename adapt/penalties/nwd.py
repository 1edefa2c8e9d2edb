"""Nuclear-norm Wasserstein discrepancy, as a term beside another method's."""

from collections.abc import Callable
from typing import ClassVar

from torch import Tensor

from adapt.encoding import Encoding
from adapt.layers import reverse_gradient
from adapt.losses import nwd
from adapt.penalties.base import ClassifierPenalty
from adapt.problems import Classification, Problem
from adapt.schedules import Reversal, reversal_ramp


class NWD(ClassifierPenalty):
    """The classifier as a critic of its own features; the paper's "NWD as a regularizer", for example of MCC or CDAN.

    Paper: Chen et al., Reusing the Task-specific Classifier as a Discriminator: Discriminator-free Adversarial Domain
    Adaptation, CVPR 2022 (https://arxiv.org/abs/2204.03838).

    Formula: `w · −(‖P_s‖_* / N − ‖P_t‖_* / M)`, with P the softmax of the classifier's logits `(N, K)` and `(M, K)` on
    features behind a gradient reversal R_λ: the classifier makes the difference large, the features make it small.

    Args:
        weight: Weight w.
        schedule: λ over training: `ganin`, `tllib` (the authors'), or `constant`, as `DANN` has them.
        gamma: Steepness of the `ganin` schedule.
        max_lambda: The value that λ approaches.
    """

    problems: ClassVar[tuple[type[Problem], ...]] = (Classification,)

    def __init__(
        self, weight: float = 1.0, schedule: Reversal = "ganin", gamma: float = 10.0, max_lambda: float = 1.0
    ) -> None:
        super().__init__(weight)
        self.schedule, self.gamma, self.max_lambda = schedule, gamma, max_lambda

    def classifier_value(
        self,
        source: Encoding,
        target: Encoding,
        classify: Callable[[Tensor], Tensor],
        progress: float,
        batches: int,
    ) -> Tensor:
        """The negative discrepancy, whose gradient is reversed before the classifier."""
        reversal = self.max_lambda * reversal_ramp(self.schedule, progress, batches, self.gamma)
        logits = (classify(reverse_gradient(domain.features, reversal)) for domain in (source, target))
        return -nwd(*logits)
