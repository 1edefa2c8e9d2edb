"""Source hypothesis transfer."""

from typing import Any, ClassVar, Literal

from torch import Tensor

from adapt.data.batches import Pair, TargetBatch
from adapt.errors import AdaptError
from adapt.losses import centroid_labels, information_maximisation
from adapt.methods.base import Method
from adapt.methods.whole_domain import interval_begins
from adapt.problems import Classification, Problem


class SHOT(Method):
    """Freeze the source classifier, and train target features that it classifies with certainty.

    Paper: Liang et al., Do We Really Need to Access the Source Data? Source Hypothesis Transfer for Unsupervised Domain
    Adaptation, ICML 2020 (https://arxiv.org/abs/2002.08546).

    Formula: `L = (1/M) Σ_j H(p_j) − H((1/M) Σ_j p_j) + w · CE(f(x_t), ŷ)`, with p the softmax of the target logits
    `(M, K)` and ŷ the pseudo-labels: the class of the nearest centroid in cosine distance. Centroids are first weighted
    by the softmax over the whole target, then computed again from the labels found, see `adapt.losses.centroid_labels`.
    Features `(M, d)`.

    The classifier is frozen. The pseudo-labels are computed in evaluation mode and without augmentation, `refreshes`
    times in all, first at the start (the authors' code: 15 times over 15 epochs; for digits: every epoch). Each time
    takes a pass over the target. A checkpoint stores them. Train the source run with `--model.label_smoothing 0.1`, as
    the paper does, and give both a network with batch norm (`bottleneck`). `label_smoothing` here acts on the
    pseudo-labels.

    Departures: the classifier is linear without weight normalisation, and the bottleneck ends in a ReLU, as in all
    methods here. `train/agreement` is the share of a batch whose predictions equal the pseudo-labels. If it is near 1
    from the start, the pseudo-labels add nothing.

    Published: USPS→MNIST source only 88.0, SHOT 98.0 %; MNIST→USPS 79.7, 97.9; SVHN→MNIST 70.2, 98.9 (paper, Table 2).

    Args:
        weight: Weight w of the pseudo-labels; 0 for no pseudo-labels.
        entropy: Whether the predictions' entropy is minimised.
        diversity: Whether the mean prediction's entropy is maximised.
        refreshes: How many times the pseudo-labels are computed, at equal intervals; every epoch if the training's
            length is not known.
        threshold: A class needs more samples than this to have a centroid; use more than 0 if the target may lack some
            source classes.
        centroids: `paper`, or `code` for the authors' features with an appended 1 and length 1.
        **kwargs: Arguments of `Method`.

    Raises:
        AdaptError: An argument is out of range, no term is left, or training starts without a source run.
    """

    family: ClassVar[str] = "source-free"
    problems: ClassVar[tuple[type[Problem], ...]] = (Classification,)
    source_free: ClassVar[bool] = True
    starts_from_source: ClassVar[bool] = True

    def __init__(
        self,
        weight: float = 0.3,
        entropy: bool = True,
        diversity: bool = True,
        refreshes: int = 15,
        threshold: int = 0,
        centroids: Literal["paper", "code"] = "paper",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if weight < 0 or refreshes < 1:
            raise AdaptError(f"SHOT expects weight >= 0 and refreshes >= 1, found {weight} and {refreshes}.")
        if not (weight or entropy or diversity):
            raise AdaptError("SHOT expects a weight above 0, entropy or diversity, found none of them.")
        self.weight, self.entropy, self.diversity = weight, entropy, diversity
        self.refreshes, self.threshold, self.centroids = refreshes, threshold, centroids
        self.classifier.requires_grad_(False)
        self.pseudo_labels: Tensor | None = None

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Compute the pseudo-labels again at the start of each interval."""
        if self.weight and interval_begins(self, self.refreshes, batch_idx):
            features, logits, _ = self.encode_domain("target")
            options: dict[str, Any] = {"threshold": self.threshold, "variant": self.centroids}
            self.pseudo_labels = centroid_labels(features, logits, **options)

    def losses(self, batch: Pair | TargetBatch) -> dict[str, Tensor]:
        """Information maximisation and cross-entropy on the pseudo-labels."""
        logits = self(batch.target.x).logits
        terms: dict[str, Tensor] = {}
        if self.entropy or self.diversity:
            terms["information"] = information_maximisation(logits, entropy=self.entropy, diversity=self.diversity)
        if self.weight:
            labels = self._labels(logits)[batch.target.index]
            terms["pseudo_label"] = self.weight * self.cross_entropy(logits, labels)
            if self.logs_now:
                self.log_values({"agreement": (logits.argmax(1) == labels).float().mean()})
        return terms

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Store the pseudo-labels, because they come from an earlier state of the network."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["pseudo_labels"] = self.pseudo_labels

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the pseudo-labels."""
        super().on_load_checkpoint(checkpoint)
        self.pseudo_labels = checkpoint["pseudo_labels"]

    def _labels(self, logits: Tensor) -> Tensor:
        if self.pseudo_labels is None:
            raise AdaptError("SHOT looks its pseudo-labels up, found none: they are made when training starts.")
        self.pseudo_labels = self.pseudo_labels.to(logits.device)  # a loaded checkpoint leaves them on the CPU
        return self.pseudo_labels
