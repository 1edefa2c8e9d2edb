"""Domain adaptative neighbourhood clustering via entropy optimisation."""

from typing import Any, ClassVar

import torch
from torch import Tensor

from adapt.data.batches import Pair
from adapt.encoding import Encoding
from adapt.errors import AdaptError
from adapt.layers import CosineHead
from adapt.losses import entropy_separation, known_entropy, neighbourhood_entropy
from adapt.methods.memory import RemembersTarget
from adapt.problems import Classification, ClassSets, Problem


class DANCE(RemembersTarget):
    """Target samples gather at their neighbours or at a class, whichever is nearer, and the uncertain ones are unknown.

    Paper: Saito et al., Universal Domain Adaptation through Self-Supervision, NeurIPS 2020
    (https://arxiv.org/abs/2002.07953).

    Formula: `L = CE(f(x_s), y_s) + w · [N(g(x_t)) + S(f(x_t))]`, where N is the entropy of the similarities, softmax
    with temperature τ, between a target sample and all others and the classes' prototypes, and S = −|H − ρ| where that
    is larger than m, with H the entropy of the prediction and ρ = ½ log K, see `adapt.losses.neighbourhood_entropy` and
    `adapt.losses.entropy_separation`. A sample with H > ρ is unknown. Features g `(N, d)`, logits `(N, K)`.

    As in the authors' code: w = 0.05, m = 0.5, τ = 0.05; the classifier is a `CosineHead`, whose weights are the
    prototypes; the memory takes in each batch after its loss. Departures: the memory begins with a pass over the
    target, theirs with zeros; the other samples of a batch count by their stored features, theirs by the new ones and
    with a gradient; the two domains are encoded in one pass (`joint_forward: false` encodes them apart, as they do).

    Args:
        weight: Weight w of both terms.
        margin: Margin m around ρ within which a sample's entropy is left alone.
        temperature: Temperature τ of similarities and of the classifier.
        **kwargs: Arguments of `Method`.

    Raises:
        AdaptError: The margin is negative or the temperature not positive.
    """

    family: ClassVar[str] = "partial and open sets"
    takes_anchors: ClassVar[bool] = False
    problems: ClassVar[tuple[type[Problem], ...]] = (Classification,)
    class_sets: ClassVar[tuple[ClassSets, ...]] = ("closed", "partial", "open", "universal")

    classifier: CosineHead

    def __init__(self, weight: float = 0.05, margin: float = 0.5, temperature: float = 0.05, **kwargs: Any) -> None:
        self.temperature = temperature  # the base asks for the classifier
        super().__init__(**kwargs)
        if margin < 0:
            raise AdaptError(f"DANCE expects a margin of at least 0, found {margin}.")
        self.weight, self.margin = weight, margin

    def new_classifier(self) -> CosineHead:
        """Prototypes of the classes, without a bias."""
        return CosineHead(self.num_features, self.num_outputs, self.temperature)

    def losses(self, batch: Pair) -> dict[str, Tensor]:
        """Source cross-entropy, neighbourhood clustering, and entropy separation."""
        source, target = self.encode(batch)
        features, index = target.features, batch.target.index
        kept, _ = self.memory.tensors(features.device)
        near = neighbourhood_entropy(features, kept, self.classifier.linear.weight, index, temperature=self.temperature)
        apart = entropy_separation(target.logits, margin=self.margin)
        self.memory.put(index, features, self.remembered(target.logits))
        return {
            "source": self.supervised_loss(source.logits, batch.source.y),
            "neighbourhood": self.weight * near,
            "separation": self.weight * apart,
        }

    def with_unknown(self, encoding: Encoding) -> Tensor:
        """The logits and, for unknown, the largest one plus H − ρ."""
        log_p = encoding.logits.float().log_softmax(1)
        excess = -(log_p.exp() * log_p).sum(1, keepdim=True) - known_entropy(self.num_outputs)
        return torch.cat([encoding.logits, encoding.logits.amax(1, keepdim=True) + excess.to(encoding.logits)], 1)
