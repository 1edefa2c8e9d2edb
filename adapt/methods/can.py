"""Contrastive adaptation network."""

import random
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import normalize

from adapt.data.batches import Pair
from adapt.encoding import Encoding
from adapt.errors import AdaptError
from adapt.losses import contrastive_discrepancy, spherical_clusters
from adapt.losses.inputs import full_precision
from adapt.methods.base import Method
from adapt.methods.whole_domain import datamodule_of, interval_begins, on_device
from adapt.problems import Classification, Problem
from adapt.trees import Tree, cat, size

_DROPPED = -1


class CAN(Method):
    """Bring the domains' samples of one class together and those of different classes apart, in batches by class.

    Paper: Kang et al., Contrastive Adaptation Network for Unsupervised Domain Adaptation, CVPR 2019
    (https://arxiv.org/abs/1901.00976).

    Formula: `L = CE(f(x_s), y_s) + w · Σ_l CDD(φ_l)`, where the contrastive domain discrepancy of layer l, features and
    softmax, is the mean squared MMD between the domains within a class minus that between different classes, see
    `adapt.losses.contrastive_discrepancy`. Target classes are pseudo-labels: spherical k-means of the target's features
    from the centres of the source's classes, see `adapt.losses.spherical_clusters`, computed `refreshes` times. Target
    samples farther than D from their centre are left out, and so are classes with fewer than `samples` target samples
    that are left. Features `(N, d)`.

    The second term has batches of its own (class-aware sampling): of each of at most `classes` classes, drawn anew,
    `samples` samples of each domain.

    As in the authors' code: w = 0.3, five Gaussians around the mean distance of each pair of classes, the layers' sum,
    10 classes of 3 samples and D = 0.05 (Office-31's; VisDA has 6 of 10 and D = 1, which leaves none out), a tolerance
    of 0.005, clusters named by the best one-to-one match with the source's centres. Departures: centres are sums of
    features of length 1, theirs of features as they are; batch norm is not doubled for the domains, and the batch by
    class is encoded in one pass (`joint_forward: false` encodes the domains apart, as they do, though with the same
    running statistics); an ordinary target batch is encoded beside the source's, for batch norm and penalties; training
    does not stop when labels no longer change, nor does it follow theirs in up to 50 refreshes.

    Each refresh takes a pass over both domains. With several processes each encodes the whole batch by class.
    `train/kept` is the share of target samples that are near enough, `train/classes` the number of classes in a batch.
    If no class is left, the step has the cross-entropy alone: raise `distance`. Clusters of an untrained network may
    have each other's names, which later refreshes keep: on the two toys of tests/zoo whose target is turned two classes
    changed places in one of three seeds, but in none where the first share of the training is the source's alone, or
    with a trained start (theirs is ImageNet's).

    Args:
        weight: Weight w of the discrepancy.
        refreshes: How many times the target is clustered, at equal intervals; every epoch if the training's length is
            not known.
        classes: Most classes in a batch by class.
        samples: Samples of each class and domain in it.
        distance: Largest distance D = ½ (1 − cos) from the centre.
        tolerance: Mean movement of the centres at which k-means ends.
        source_fraction: Share of the training before the first clustering; 0 with `init_from`.
        **kwargs: Arguments of `Method`.

    Raises:
        AdaptError: An argument is out of range, or the trainer has no `DomainDataModule`.
    """

    family: ClassVar[str] = "relation"
    problems: ClassVar[tuple[type[Problem], ...]] = (Classification,)

    def __init__(
        self,
        weight: float = 0.3,
        refreshes: int = 15,
        classes: int = 10,
        samples: int = 3,
        distance: float = 0.05,
        tolerance: float = 0.005,
        source_fraction: float = 0.2,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if weight < 0 or refreshes < 1 or classes < 1 or samples < 1 or not 0 < distance <= 1 or tolerance < 0:
            raise AdaptError(
                "CAN expects weight and tolerance >= 0, refreshes, classes and samples >= 1 and a distance in (0, 1], "
                f"found {weight}, {tolerance}, {refreshes}, {classes}, {samples} and {distance}."
            )
        self.weight, self.refreshes, self.classes, self.samples = weight, refreshes, classes, samples
        if not 0 <= source_fraction < 1:
            raise AdaptError(f"Expected source_fraction in [0, 1), found {source_fraction}.")
        self.distance, self.tolerance = distance, tolerance
        self.source_fraction = 0.0 if kwargs.get("init_from") else source_fraction
        self.labels: dict[str, Tensor] = {}
        self._rows: dict[int, tuple[list[int], list[int]]] = {}
        self._by_class: tuple[int, Tree, Tree] | None = None

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Cluster the target at the start of each interval, and draw the step's batch by class."""
        warm = self.source_fraction == 0 or self.progress >= self.source_fraction
        if warm and (not self.labels or interval_begins(self, self.refreshes, batch_idx)):
            self._cluster()
        if not self._rows and self.labels:
            self._rows = self._rows_by_class()
        self._by_class = self._drawn()

    def losses(self, batch: Pair) -> dict[str, Tensor]:
        """Source cross-entropy, and the discrepancy of the batch by class."""
        source, _ = self.encode(batch)
        terms = {"source": self.supervised_loss(source.logits, batch.source.y)}
        if self.logs_now:
            kept = (self.labels["target"] != _DROPPED).float().mean() if self.labels else 0.0
            self.log_values({"kept": kept, "classes": float(self._by_class[0] if self._by_class else 0)})
        if self._by_class is None:
            return terms
        count, own, other = self._by_class
        parts = zip(*self._encode_apart(own, other), strict=True)
        features, logits = ([x.reshape(count, -1, x.shape[1]) for x in pair] for pair in parts)
        near = contrastive_discrepancy(*features) + contrastive_discrepancy(*(z.softmax(2) for z in logits))
        return terms | {"discrepancy": self.weight * near}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Store the labels, because they come from an earlier state of the network."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["labels"] = dict(self.labels)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the labels."""
        super().on_load_checkpoint(checkpoint)
        self.labels, self._rows = dict(checkpoint["labels"]), {}

    def _cluster(self) -> None:
        source, target = self.encode_domain("source"), self.encode_domain("target")
        assert source.y is not None  # a pass over the source has labels
        unit = normalize(full_precision(source.features), dim=1)
        centres = unit.new_zeros(self.num_outputs, unit.shape[1]).index_add_(0, source.y, unit)
        found, away = spherical_clusters(target.features, centres, tolerance=self.tolerance)
        # On the CPU, where samples are drawn.
        self.labels = {"source": source.y.cpu(), "target": torch.where(away < self.distance, found, _DROPPED).cpu()}
        self._rows = self._rows_by_class()

    def _rows_by_class(self) -> dict[int, tuple[list[int], list[int]]]:
        """Of each class with enough target samples, the positions of its samples in both domains."""
        rows = {}
        for k in range(self.num_outputs):
            own, other = ((self.labels[role] == k).nonzero().flatten().tolist() for role in ("source", "target"))
            if own and len(other) >= self.samples:
                rows[k] = (own, other)
        return rows

    def _drawn(self) -> tuple[int, Tree, Tree] | None:
        """The number of classes and both domains' inputs of a batch by class, sorted by it; None without a class."""
        if not self._rows:
            return None
        data = datamodule_of(self.trainer, type(self).__name__, "samples of chosen classes")
        # From seed and step alone, so that a continued run and every process draw the same.
        draw = random.Random(f"{data.order_seed} {self.batches_seen}")
        chosen = draw.sample(sorted(self._rows), min(self.classes, len(self._rows)))
        inputs = []
        for domain, role in enumerate(("source", "target")):
            positions = [row for k in chosen for row in self._some(draw, self._rows[k][domain])]
            batch = data.training_samples(role, positions, self.batches_seen)
            inputs.append(next(iter(on_device(data, [batch], self.device))).x)
        return len(chosen), inputs[0], inputs[1]

    def _some(self, draw: random.Random, rows: list[int]) -> list[int]:
        return draw.sample(rows, self.samples) if len(rows) >= self.samples else draw.choices(rows, k=self.samples)

    def _encode_apart(self, own: Tree, other: Tree) -> tuple[Encoding, Encoding]:
        """Both domains' encodings of a batch that every process has as a whole, which `self(x)` would gather."""
        if not self.joint_forward:
            return self.forward(own), self.forward(other)
        at = size(own)
        features, logits = self.forward(cat([own, other]))
        return Encoding(features[:at], logits[:at]), Encoding(features[at:], logits[at:])
