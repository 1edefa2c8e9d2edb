"""Entropy minimisation on samples that are certain and new, with weights that are held back."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from adapt.errors import AdaptError
from adapt.losses import differs_from_mean, fisher_penalty, reliable_weights, sample_entropy
from adapt.streaming.base import StreamMethod, entropy_margin, moving
from adapt.trees import Tree


class EATA(StreamMethod):
    """Minimise the entropy of certain samples that differ from earlier ones, near the source's scale and shift.

    Paper: Niu et al., Efficient Test-Time Model Adaptation without Forgetting, ICML 2022
    (https://arxiv.org/abs/2204.02610).

    Formula: `L = mean_i exp(E₀ − H_i) H_i + β Σ_j ω_j (θ_j − θ⁰_j)²`, the mean over samples with entropy `H_i < E₀` and
    `|cos(p_i, m)| < ε`, m the moving average (0.9) of their predictions. ω is the mean squared gradient of the
    cross-entropy against the network's own labels, on batches of source samples. Without a sample there is no step.

    As in the authors' code, m is not asked before it exists, and takes only samples that pass. The defaults are theirs
    for CIFAR-10-C; ImageNet-C's are `similarity=0.05, fisher=2000`. ε has to be above 1/√K, the cosine of a certain
    prediction with a uniform average: with few classes 0.05 lets nothing pass.

    Args:
        margin: E₀ as a share of log K.
        similarity: ε.
        fisher: β; 0 leaves the second term out (the paper's ETA).
        fisher_samples: Source samples for ω; fewer where the run's held-out share of the source has fewer. Where the
            source is not there, the second term is left out.
        **kwargs: Arguments of `StreamMethod`.

    Raises:
        AdaptError: An argument is out of range, or the network has no normalising layer.
    """

    reads_source: ClassVar[bool] = True

    def __init__(
        self,
        *args: Any,
        margin: float = 0.4,
        similarity: float = 0.4,
        fisher: float = 1.0,
        fisher_samples: int = 2000,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        if not 0 < similarity <= 1 or fisher < 0 or fisher_samples < 1:
            raise AdaptError(
                "EATA expects similarity in (0, 1], fisher of at least 0 and fisher_samples of at least 1, found "
                f"{similarity}, {fisher} and {fisher_samples}."
            )
        self.margin, self.similarity, self.fisher = margin, similarity, fisher
        self.fisher_samples = fisher_samples
        self.train_normalisation()
        self.start = [p.detach().clone() for p in self.trained]
        self.importance: list[Tensor] = []
        self.mean: Tensor | None = None

    def begin(self, source: Sequence[Tree]) -> None:
        """The importance ω of each weight, on source inputs."""
        if not source or not self.fisher:
            return
        sums = [torch.zeros_like(p) for p in self.trained]
        for x in source:
            logits = self.encode(x).logits
            loss = cross_entropy(logits, logits.argmax(1))
            for total, gradient in zip(sums, torch.autograd.grad(loss, self.trained), strict=True):
                total += gradient.square()
        self.importance = [total / len(source) for total in sums]

    def step(self, x: Tree) -> Tensor:
        """The logits, before a step on the samples that pass."""
        logits = self.encode(x).logits
        weights = reliable_weights(logits, entropy_margin(self.margin, logits.shape[1], "EATA"))
        chosen = weights > 0
        if self.mean is not None:
            chosen &= differs_from_mean(logits.detach(), self.mean, self.similarity)
        if chosen.any():
            self.mean = moving(self.mean, logits.detach()[chosen].softmax(1).mean(0), 0.9)
            loss = (weights * sample_entropy(logits))[chosen].mean()
            if self.importance:
                loss = loss + self.fisher * fisher_penalty(self.trained, self.start, self.importance)
            self.update(loss)
        return logits

    def own_state(self) -> dict[str, Any]:
        """The moving average and the importances."""
        return {"mean": self.mean, "importance": self.importance}

    def load_own_state(self, state: dict[str, Any]) -> None:
        """Take them back."""
        self.mean, self.importance = state["mean"], list(state["importance"])
