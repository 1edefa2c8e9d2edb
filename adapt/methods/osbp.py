"""Open set domain adaptation by backpropagation."""

from typing import Any, ClassVar

from torch import Tensor, nn

from adapt.data.batches import Pair
from adapt.encoding import Encoding
from adapt.errors import AdaptError
from adapt.layers import reverse_gradient
from adapt.losses import unknown_boundary
from adapt.methods.base import Method
from adapt.problems import Classification, ClassSets, Problem


class OSBP(Method):
    """A further class for what is unknown, whose boundary the features may cross on either side.

    Paper: Saito et al., Open Set Domain Adaptation by Backpropagation, ECCV 2018 (https://arxiv.org/abs/1804.10427).

    Formula: `L = CE(f(x_s), y_s) + w · B(c(R_1(g(x_t))))`, with B the cross-entropy between the unknown class's
    probability and t, see `adapt.losses.unknown_boundary`, and R_1 a gradient reversal: the classifier c, of K + 1
    classes, puts the target on the boundary, and the features g leave it, to the known classes or to the unknown one.
    Logits `(N, K + 1)`.

    As in the authors' code: t = 0.5, both losses with the same weight, a reversal without a ramp. Departures: between
    backbone and classifier they have two to four layers with batch norm (and on AlexNet and VGG two more in the
    classifier), for which a `bottleneck` stands here; the two domains are encoded in one pass, theirs in two.

    Args:
        weight: Weight w of the boundary loss.
        threshold: The boundary t, in (0, 1).
        **kwargs: Arguments of `Method`.

    Raises:
        AdaptError: The threshold is out of range, or the target has no classes of its own.
    """

    family: ClassVar[str] = "partial and open sets"
    takes_anchors: ClassVar[bool] = False
    problems: ClassVar[tuple[type[Problem], ...]] = (Classification,)
    class_sets: ClassVar[tuple[ClassSets, ...]] = ("open", "universal")

    def __init__(self, weight: float = 1.0, threshold: float = 0.5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not 0 < threshold < 1:
            raise AdaptError(f"OSBP expects a threshold between 0 and 1, found {threshold}.")
        self.weight, self.threshold = weight, threshold

    def new_classifier(self) -> nn.Linear:
        """A layer with one more output, for what is unknown."""
        return nn.Linear(self.num_features, self.num_outputs + 1)

    def losses(self, batch: Pair) -> dict[str, Tensor]:
        """Source cross-entropy and the target's boundary loss."""
        source, target = self.encode(batch)
        asked = self.classify(reverse_gradient(target.features, 1.0))
        if self.logs_now:
            found = (target.logits.argmax(1) == self.num_outputs).float().mean()
            self.log_values({"target_share_unknown": found})
        return {
            "source": self.supervised_loss(source.logits, batch.source.y),
            "boundary": self.weight * unknown_boundary(asked, threshold=self.threshold),
        }

    def with_unknown(self, encoding: Encoding) -> Tensor:
        """The logits as they are: the last one is the unknown class's."""
        return encoding.logits
