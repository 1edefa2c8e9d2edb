"""One-versus-all network."""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from adapt.data.batches import Pair
from adapt.encoding import Encoding
from adapt.losses import one_versus_all, one_versus_all_entropy
from adapt.methods.base import Method
from adapt.problems import Classification, ClassSets, Problem


class OVANet(Method):
    """A classifier says which class is the nearest, and a second one, for each class, whether it is near enough.

    Paper: Saito and Saenko, OVANet: One-vs-All Network for Universal Domain Adaptation, ICCV 2021
    (https://arxiv.org/abs/2104.03344).

    Formula: `L = CE(f(x_s), y_s) + OVA(o(x_s), y_s) + w · H(o(x_t))`, where o `(N, K)` are logits of K binary
    classifiers, OVA is the cross-entropy of the own class and of the hardest other one, and H the mean entropy of the
    binary predictions, see `adapt.losses.one_versus_all`. A sample is unknown where the binary classifier of its most
    likely class says no. Needs no threshold, and no source class has to be missing.

    As in the authors' code: half the sum of the two parts of OVA, the mean over classes in H. Departures: one
    logit per binary classifier, whose sigmoid stands for a softmax of two; their binary classifiers' weights have
    length 1 and no bias; the two domains are encoded in one pass.

    Args:
        weight: Weight w of the target's entropy.
        **kwargs: Arguments of `Method`.
    """

    family: ClassVar[str] = "partial and open sets"
    problems: ClassVar[tuple[type[Problem], ...]] = (Classification,)
    class_sets: ClassVar[tuple[ClassSets, ...]] = ("closed", "partial", "open", "universal")

    def __init__(self, weight: float = 0.1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.weight = weight
        self.one_versus_all = nn.Linear(self.num_features, self.num_outputs)

    def losses(self, batch: Pair) -> dict[str, Tensor]:
        """Cross-entropy of both classifiers on the source, and the target's entropy."""
        source, target = self.encode(batch)
        return {
            "source": self.supervised_loss(source.logits, batch.source.y),
            "one_versus_all": one_versus_all(self.one_versus_all(source.features), batch.source.y),
            "entropy": self.weight * one_versus_all_entropy(self.one_versus_all(target.features)),
        }

    def with_unknown(self, encoding: Encoding) -> Tensor:
        """The logits and, for unknown, the largest one minus the logit of its class's binary classifier.

        The unknown class's share of the two is then the probability of that classifier's no.
        """
        highest, nearest = encoding.logits.max(1, keepdim=True)
        taken = self.one_versus_all(encoding.features).gather(1, nearest)
        return torch.cat([encoding.logits, highest - taken], 1)
