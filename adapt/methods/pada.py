"""Partial adversarial domain adaptation."""

from typing import Any, ClassVar

import torch
from torch import Tensor

from adapt.data.batches import Pair
from adapt.errors import AdaptError
from adapt.layers import reverse_gradient
from adapt.losses import domain_accuracy, domain_adversarial, target_class_weights
from adapt.methods.dann import DANN
from adapt.problems import Classification, Problem


class PADA(DANN):
    """DANN that leaves out source classes which the target seems not to have.

    Paper: Cao et al., Partial Adversarial Domain Adaptation, ECCV 2018 (https://arxiv.org/abs/1808.04205).

    Formula: `L = Σ_i γ_{y_i} CE(f(x_i), y_i) / Σ_i γ_{y_i} + w · ½ [mean γ_y BCE(d(R_λ(g(x_s))), 1) +
    mean BCE(d(R_λ(g(x_t))), 0)]`, where γ `(K,)` is the mean softmax over the whole target, divided by its largest
    entry, see `adapt.losses.target_class_weights`. Features g `(N, d)`.

    As in the authors' code: γ is 1 in the beginning and comes from a pass over the target every 500 steps; the
    cross-entropy is divided by the sum of the weights; the weights of a batch are divided by their largest in the
    domain loss. Departures: the pass sees one view of each target sample, theirs the mean over ten crops; λ follows the
    training's progress, see `DANN`, theirs a fixed number of steps.

    Published, Office-31 (31 → 10 classes), mean, ResNet-50, by TLlib: source only 90.1, DANN 82.4, PADA 93.8 %.

    Args:
        every: Steps between two passes over the target.
        weighted_classifier: Weigh the cross-entropy too, and not the domain loss alone.
        **kwargs: Arguments of `DANN`.

    Raises:
        AdaptError: `every` is below 1.
    """

    family: ClassVar[str] = "partial and open sets"
    problems: ClassVar[tuple[type[Problem], ...]] = (Classification,)

    class_weights: Tensor

    def __init__(self, every: int = 500, weighted_classifier: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if every < 1:
            raise AdaptError(f"PADA expects at least 1 step between two passes over the target, found {every}.")
        self.every, self.weighted_classifier = every, weighted_classifier
        self.register_buffer("class_weights", torch.ones(self.num_outputs))

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Look at the whole target every so often."""
        if self.batches_seen and self.batches_seen % self.every == 0:
            self.class_weights = target_class_weights(self.encode_domain("target").logits).to(self.class_weights)

    def losses(self, batch: Pair) -> dict[str, Tensor]:
        """Weighted cross-entropy and weighted domain loss."""
        source, target = self.encode(batch)
        weights = self.class_weights[batch.source.y]
        logits = self.discriminator(reverse_gradient(torch.cat([source.features, target.features]), self.reversal))
        of_source, of_target = logits.split([len(source.features), len(target.features)])
        if self.logs_now:
            self.log_values({"domain_accuracy": domain_accuracy(of_source, of_target), "lambda": self.reversal})
            self.log_values({"smallest_class_weight": self.class_weights.min()})
        each = self.problem.loss(source.logits, batch.source.y, label_smoothing=self.label_smoothing, reduction="none")
        of_classes = weights if self.weighted_classifier else torch.ones_like(weights)
        in_domain = (weights / weights.max(), torch.ones_like(of_target.flatten()))
        return {
            "source": (of_classes * each).sum() / of_classes.sum(),
            "domain": self.weight
            * domain_adversarial(of_source, of_target, weights=in_domain, smoothing=self.domain_smoothing),
        }
