"""Confidence score weighting adaptation."""

from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.distributions import Beta

from adapt.data.batches import Pair, TargetBatch
from adapt.errors import AdaptError
from adapt.losses import joint_confidence, weighted_targets
from adapt.methods.base import Method
from adapt.methods.whole_domain import interval_begins
from adapt.problems import Classification, Problem
from adapt.processes import gather
from adapt.trees import Tree, leaves, tree_map


class CoWAJMDS(Method):
    """Pseudo-labels from the target's clusters, each weighted by how sure both model and clusters are of it.

    Paper: Lee et al., Confidence Score for Source-Free Unsupervised Domain Adaptation, ICML 2022
    (https://arxiv.org/abs/2206.06640).

    Formula: `L = (1/M) Σ_i w̃_i CE(f(x̃_i), t̃_i)`, with inputs, labels and weights mixed within the batch by the same
    shares, x̃_i = λ_i x_i + (1 − λ_i) x_j and t̃, w̃ alike, λ_i ~ Beta(a, a) (weight Mixup). Labels t are the most likely
    of K Gaussians that are fitted to the target's features, and weights w the joint model-data structure score (JMDS):
    the gap between a sample's two highest log-posteriors, as a share of the largest gap, times the model's probability
    of the label, see `adapt.losses.joint_confidence`. Features `(N, d)`, logits `(M, K)`.

    As in the authors' code: features of length 1, one step of expectation and maximisation, 10⁻⁶ on the covariances'
    diagonals, hard labels where samples are mixed and soft ones where they are not (a = 0), a = 0.2 (Office-Home's;
    VisDA's is 2), labels and weights computed anew in each of 15 intervals, and a classifier that trains too, though at
    a tenth of the rate; here it has the rate of the bottleneck. Departures: the classifier is linear without weight
    normalisation; covariances are in double precision; their VisDA run has a first interval at a millionth of the loss,
    in which batch norm takes to the target. Start from the run that `SHOT` starts from (label smoothing 0.1,
    `bottleneck`).

    Each interval takes a pass over the target and K products of `(d, N)` with `(N, d)`. Where a class is given up, no
    Gaussian finds it again: `train/agreement` is the share of a batch that is predicted as labelled, and
    `train/confidence` the mean weight.

    Args:
        mixing: Parameter a of the Beta distribution; 0 mixes nothing.
        refreshes: How many times labels and weights are computed, at equal intervals; every epoch if the training's
            length is not known.
        **kwargs: Arguments of `Method`.

    Raises:
        AdaptError: An argument is out of range, training starts without a source run, or inputs that are to be mixed
            are whole numbers.
    """

    family: ClassVar[str] = "source-free"
    problems: ClassVar[tuple[type[Problem], ...]] = (Classification,)
    source_free: ClassVar[bool] = True
    starts_from_source: ClassVar[bool] = True

    def __init__(self, mixing: float = 0.2, refreshes: int = 15, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if mixing < 0 or refreshes < 1:
            raise AdaptError(f"CoWAJMDS expects mixing >= 0 and refreshes >= 1, found {mixing} and {refreshes}.")
        self.mixing, self.refreshes = mixing, refreshes
        self.posteriors: Tensor | None = None
        self.scores: Tensor | None = None

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Label the target again at the start of each interval."""
        if interval_begins(self, self.refreshes, batch_idx):
            features, logits, _ = self.encode_domain("target")
            self.posteriors, self.scores = joint_confidence(features, logits)

    def losses(self, batch: Pair | TargetBatch) -> dict[str, Tensor]:
        """Weighted cross-entropy of mixed samples."""
        posteriors, scores = self._labels(batch.target.index.device)
        index = batch.target.index
        if not self.mixing:
            logits = self(batch.target.x).logits
            targets, weights = posteriors[index], scores[index]
            if self.logs_now:
                self.log_values({"agreement": (logits.argmax(1) == targets.argmax(1)).float().mean()})
        else:
            own = self.own_share(index)
            named = torch.arange(posteriors.shape[1], device=index.device)
            hard = (posteriors[own].argmax(1, keepdim=True) == named).to(scores)
            x, targets, weights = self._mixed(batch.target.x, hard, scores[own])
            logits = self(x).logits
            if len(own) < len(index):
                targets, weights = gather(targets), gather(weights)
        if self.logs_now:
            self.log_values({"confidence": scores[index].mean()})
        return {"pseudo_label": weighted_targets(logits, targets.to(logits), weights.to(logits))}

    def _mixed(self, x: Tree, labels: Tensor, weights: Tensor) -> tuple[Tree, Tensor, Tensor]:
        """Each sample mixed with another one of its batch."""
        if any(not part.is_floating_point() for part in leaves(x)):
            raise AdaptError(
                "CoWAJMDS mixes inputs, which have to be numbers with fractions, found whole ones such as a text's "
                "tokens.\nGive --model.mixing 0, or the features that `adapt features` computes."
            )
        # Without checks, for which the host would wait for the device.
        a = torch.full((), self.mixing, dtype=labels.dtype, device=labels.device)
        shares = Beta(a, a, validate_args=False).sample((len(labels),))
        order = torch.randperm(len(labels), device=labels.device)

        def mixed(part: Tensor) -> Tensor:
            own = shares.to(part.dtype).view(-1, *(1,) * (part.ndim - 1))
            return own * part + (1 - own) * part[order]

        return tree_map(mixed, x), mixed(labels), mixed(weights)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Store labels and weights, because they come from an earlier state of the network."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["confidence"] = {"posteriors": self.posteriors, "scores": self.scores}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore labels and weights."""
        super().on_load_checkpoint(checkpoint)
        self.posteriors, self.scores = (checkpoint["confidence"][name] for name in ("posteriors", "scores"))

    def _labels(self, device: torch.device) -> tuple[Tensor, Tensor]:
        if self.posteriors is None or self.scores is None:
            raise AdaptError("CoWAJMDS looks its pseudo-labels up, found none: they are made when training starts.")
        # A loaded checkpoint leaves them on the CPU.
        self.posteriors, self.scores = self.posteriors.to(device), self.scores.to(device)
        return self.posteriors, self.scores
