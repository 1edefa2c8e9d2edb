"""Co-Tuning: also tune the source's classifier, on labels translated into source classes."""

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
    """Cross-entropy of the source's own classifier against its initial predictions for each target class.

    Paper: You et al., Co-Tuning for Transfer Learning, NeurIPS 2020
    (https://proceedings.neurips.cc/paper/2020/hash/c8067ad1937f728f51288b3eb986afaa-Abstract.html).

    Formula: `w · −(1/N) Σ_i Σ_s p(s | y_i) log q_s(x_i)`, with q the softmax of a second head on the same features. The
    second head starts as the source's classifier and is trained too. p(s | y) is the mean of softmax(z / T) over the
    labelled target samples of class y, with z the source network's logits before fine-tuning (the paper's direct
    approach). T ≥ 1 calibrates that network on the source's validation samples. The first head makes the predictions.

    In the paper source and target have different classes. The first head is new, and the second keeps what was learned
    on the source. Here both domains have the same K classes, and both heads start as the source's classifier. Still,
    p(· | y) is a soft label: it says which classes the source network predicts for the target's class y. Predicting it
    keeps the backbone close to the source network. If the source network is certain and right, the soft label is the
    class itself, and the second head repeats the first one's task. If it is certain and wrong, the second head keeps
    the mistake, and the first head alone learns better.

    Departures: T is at least 1. Otherwise a network without mistakes on the source's validation samples would get T → 0
    and lose its uncertainty about the target. The paper's reverse approach is left out. It trains a classifier from
    source predictions to target classes and needs held-out target labels, which a few shots cannot spare.

    Published: not on a task here.

    Args:
        weight: Weight w; 2.3 in the authors' code.
    """

    relationship: Tensor

    problems: ClassVar[tuple[type[Problem], ...]] = (Classification,)

    def __init__(self, weight: float = 2.3) -> None:
        super().__init__(weight)

    def attach(self, network: Network) -> None:
        """Copy the classifier, and create the buffer for the relationship."""
        classifier = network.classifier
        assert isinstance(classifier, nn.Linear)  # only classification is accepted
        self.head, classes = deepcopy(classifier), classifier.out_features
        self.register_buffer("relationship", torch.full((classes, classes), 1 / classes))

    @torch.no_grad()
    def begin(self, network: Network, labelled: Iterable[Labelled], held_out: Iterable[Labelled]) -> None:
        """Copy the classifier's current weights into the second head, and compute the relationship."""
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
