"""Co-Tuning: the source's classifier is tuned along, on labels translated into source classes."""

from collections.abc import Iterable
from copy import deepcopy
from typing import ClassVar

import torch
from torch import Tensor, nn

from adapt.data.batches import Labelled
from adapt.encoding import Encoding
from adapt.layers import evaluating
from adapt.losses import calibration_temperature, category_relationship, co_tuning
from adapt.problems import Classification, Problem
from adapt.regularisers.base import Network, Regulariser


class CoTuning(Regulariser):
    """Cross-entropy of the source's own classifier against what it took each target class for.

    Paper: You et al., Co-Tuning for Transfer Learning, NeurIPS 2020
    (https://proceedings.neurips.cc/paper/2020/hash/c8067ad1937f728f51288b3eb986afaa-Abstract.html).

    Formula: `w · −(1/N) Σ_i Σ_s p(s | y_i) log q_s(x_i)`, with q the softmax of a second head on the same features,
    which starts as the source's classifier and learns too, and p(s | y) the mean of softmax(z / T) over the labelled
    target samples of class y, where z are the source network's logits as fine-tuning starts (the paper's direct
    approach). T ≥ 1 calibrates that network on the source's validation samples. The first head predicts.

    In the paper source and target have different classes, and the second head keeps what the first, which is new,
    forgets. Here both have the same K classes and both heads start as the source's classifier. What remains: p(· | y)
    is a soft label, which says for which classes the source network takes the target's class y, and keeping that
    answer readable from the features holds the backbone near what the source taught it. Where the source network is
    sure and right, that label is the class itself, and the second head only repeats the first one's task; where it is
    sure and wrong, the second head holds on to the mistake, and the first alone learns better.

    Departures: T is at least 1, for a network without a mistake on the source's validation samples would be given
    T → 0, and its doubts about the target would be lost. The paper's reverse approach, a classifier from source
    predictions to target classes chosen on held-out target labels, is left out: a few shots cannot spare any.

    Published: not on a task here.

    Args:
        weight: Weight w; 2.3 in the authors' code.
    """

    relationship: Tensor

    problems: ClassVar[tuple[type[Problem], ...]] = (Classification,)

    def __init__(self, weight: float = 2.3) -> None:
        super().__init__(weight)

    def attach(self, network: Network) -> None:
        """Copy the classifier, and make room for the relationship."""
        classifier = network.classifier
        assert isinstance(classifier, nn.Linear)  # it takes classification alone
        self.head, classes = deepcopy(classifier), classifier.out_features
        self.register_buffer("relationship", torch.full((classes, classes), 1 / classes))

    @torch.no_grad()
    def begin(self, network: Network, labelled: Iterable[Labelled], held_out: Iterable[Labelled]) -> None:
        """Let the second head be the classifier as it is now, and learn the relationship."""
        self.head.load_state_dict(network.classifier.state_dict())
        with evaluating(network):
            temperature = calibration_temperature(*_predictions(network, held_out), lowest=1.0)
            logits, y = _predictions(network, labelled)
        found = category_relationship(logits, y, len(self.relationship), temperature=temperature)
        self.relationship.copy_(found)

    def value(self, network: Network, batch: Labelled, encoding: Encoding) -> Tensor:
        """Mean cross-entropy in nats."""
        return co_tuning(self.head(encoding.features), self.relationship[batch.y])


def _predictions(network: Network, batches: Iterable[Labelled]) -> tuple[Tensor, Tensor]:
    found = [(network(batch.x).logits, batch.y) for batch in batches]
    logits, y = zip(*found, strict=True)
    return torch.cat(logits), torch.cat(y)
