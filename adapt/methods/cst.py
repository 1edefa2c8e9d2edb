"""Cycle self-training."""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from adapt.data.batches import Pair
from adapt.errors import AdaptError
from adapt.layers import StrongAugmentation
from adapt.losses import confident, fixmatch, reverse_error, tsallis_entropy
from adapt.methods.base import Method
from adapt.problems import Classification, Problem


class CST(Method):
    """Features in which a classifier of the target's pseudo-labels is right on the source as well.

    Paper: Liu, Wang and Long, Cycle Self-Training for Domain Adaptation, NeurIPS 2021
    (https://arxiv.org/abs/2103.03571).

    Formula: `L = CE(f(x_s), y_s) + v · ‖Ŝ W − Y‖² / (N K) + w · T_α(f(x_t)) + u · (1/M) Σ_j 1[max p_j ≥ τ]
    CE(f(A(x_t,j)), argmax p_j)`. W is the ridge regression of the target's pseudo-labels argmax p on the target's
    features, so that the second term asks whether what they teach holds on the source, see
    `adapt.losses.reverse_error`. T_α is their Tsallis entropy, see `adapt.losses.tsallis_entropy`, and the last term is
    FixMatch with a strong augmentation A. Features `(N, d)`, logits `(N, K)`.

    As in the authors' code: the closed form on features of length 1 with a ridge of 0.001, pseudo-labels of all samples
    in it, α = 1.9, v = 2, w = 0.08, u = 0.5, τ = 0.97 and a temperature of 3 in T_α (VisDA's; their Office-Home has
    w = 0.015 and 2.5), and the strong views in a pass of their own. Departures: the features are those that the
    classifier sees, theirs are the backbone's; the optimizer is an ordinary one, theirs is an adaptive sharpness-aware
    one over all terms (`sharpness` here is about the source's cross-entropy alone); the strong augmentation is
    `adapt.layers.StrongAugmentation`.

    The regression has as many equations as the batch has target samples: take batches with several of each class.
    `train/confident` is the share of the target that the last term teaches. On the two toys of tests/zoo whose target
    is turned CST gains 12.3 and 15.1 points over source-only, without the way back (v = 0) 15.4 and 17.8, with the way
    back alone 1.3 and −1.7, means of three seeds: what the paper adds to self-training does not show there.

    Args:
        reverse_weight: Weight v of the error of the target's classifier on the source.
        entropy_weight: Weight w of the Tsallis entropy.
        strong_weight: Weight u of the strongly augmented target; 0 leaves its pass out.
        threshold: Smallest probability τ at which a prediction teaches the strong view.
        index: Entropic index α.
        temperature: Temperature of the predictions in the Tsallis entropy.
        ridge: Ridge of the regression.
        strong: Module from inputs to inputs; None is `StrongAugmentation`.
        **kwargs: Arguments of `Method`.

    Raises:
        AdaptError: A weight is negative or another argument out of range.
    """

    family: ClassVar[str] = "self-training"
    problems: ClassVar[tuple[type[Problem], ...]] = (Classification,)
    needs: ClassVar[str] = "an augmentation (strong)"

    def __init__(
        self,
        reverse_weight: float = 2.0,
        entropy_weight: float = 0.08,
        strong_weight: float = 0.5,
        threshold: float = 0.97,
        index: float = 1.9,
        temperature: float = 3.0,
        ridge: float = 1e-3,
        strong: nn.Module | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        weights = (reverse_weight, entropy_weight, strong_weight)
        if min(weights) < 0 or not 0 <= threshold <= 1:
            raise AdaptError(
                f"CST expects weights of at least 0 and a threshold in [0, 1], found {weights} and {threshold}."
            )
        # What the losses refuse is refused before training.
        tsallis_entropy(torch.zeros(1, 2), index=index, temperature=temperature)
        reverse_error(torch.eye(2), torch.eye(2), torch.arange(2), torch.eye(2), ridge=ridge)
        self.reverse_weight, self.entropy_weight, self.strong_weight = weights
        self.threshold, self.index, self.temperature, self.ridge = threshold, index, temperature, ridge
        self.strong = StrongAugmentation() if strong is None else strong

    def losses(self, batch: Pair) -> dict[str, Tensor]:
        """Source cross-entropy, the way back to the source, the target's entropy and its strong views."""
        source, target = self.encode(batch)
        # First, because it refuses labels that are not classes.
        terms = {"source": self.supervised_loss(source.logits, batch.source.y)}
        reverse = reverse_error(source.features, target.features, batch.source.y, target.logits, ridge=self.ridge)
        terms["reverse"] = self.reverse_weight * reverse
        entropy = tsallis_entropy(target.logits, index=self.index, temperature=self.temperature)
        terms["entropy"] = self.entropy_weight * entropy
        if self.strong_weight:
            seen = self(self.strong(batch.target.x)).logits
            terms["strong"] = self.strong_weight * fixmatch(seen, target.logits, threshold=self.threshold)
            if self.logs_now:
                self.log_values({"confident": confident(target.logits.detach(), self.threshold).float().mean()})
        return terms
