"""Weighted self-training near the source, with a correction of the classes' shares."""

import copy
from typing import Any

import torch
from torch import Tensor

from adapt.errors import AdaptError
from adapt.losses import (
    certainty_diversity_weights,
    corrected_by_prior,
    soft_likelihood_ratio,
    symmetric_cross_entropy,
)
from adapt.streaming.augmentation import check_viewable, random_view
from adapt.streaming.base import StreamMethod, average_weights, moving
from adapt.trees import Tree


class ROID(StreamMethod):
    """Learn from certain and different samples and their random views, and stay near the source's weights.

    Paper: Marsden et al., Universal Test-time Adaptation through Weight Ensembling, Diversity Weighting, and Prior
    Correction, WACV 2024 (https://arxiv.org/abs/2306.00650).

    Formula: `L = (1/N) Σ_i w_i [ SLR_i + SCE(p'_i, p_i) ]`, with w of `certainty_diversity_weights` against the moving
    average (0.9) of the predictions, SLR the soft likelihood ratio, SCE the symmetric cross-entropy with a random view
    p' of the samples with w > 0; over scale and shift. Then `θ ← α θ + (1 − α) θ⁰`. Predictions are corrected by the
    batch's class shares, see `corrected_by_prior`.

    Departures from the authors' code: N is the batch's own size, also where the last batch is smaller; the correction
    weights probabilities, theirs multiplies logits; a batch whose samples are all alike weighs them all 1, where theirs
    divides by zero.

    Args:
        source_momentum: α.
        temperature: T of the weights.
        consistency: With the second term; `false` leaves it out, for inputs that are no images.
        correction: Correct predictions by the class shares.
        flip: Whether views are mirrored: not where a mirrored image is of another class, as with digits.
            `adapt stream` mirrors where the run's training did.
        **kwargs: Arguments of `StreamMethod`.

    Raises:
        AdaptError: An argument is out of range, the network has no normalising layer, or views are asked of inputs
            that are no images.
    """

    def __init__(
        self,
        *args: Any,
        source_momentum: float = 0.99,
        temperature: float = 1 / 3,
        consistency: bool = True,
        correction: bool = True,
        flip: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        if not 0 <= source_momentum <= 1:
            raise AdaptError(f"ROID expects a source_momentum in [0, 1], found {source_momentum}.")
        self.source_momentum, self.temperature = source_momentum, temperature
        self.consistency, self.correction, self.flip = consistency, correction, flip
        self.anchor = copy.deepcopy(self.network)
        self.train_normalisation()
        self.mean: Tensor | None = None

    def step(self, x: Tree) -> Tensor:
        """The corrected logits, before the step."""
        logits = self.encode(x).logits
        p = logits.detach().softmax(1)
        uniform = torch.full_like(p[0], 1 / p.shape[1])
        mean = uniform if self.mean is None else self.mean
        weights = certainty_diversity_weights(logits, mean, self.temperature)
        chosen = weights > 0
        self.mean = moving(mean, p.mean(0), 0.9)
        loss = (weights * soft_likelihood_ratio(logits))[chosen].sum() / len(p)
        if self.consistency:
            check_viewable(x)
            view = random_view(x[chosen.to(x.device)], flip=self.flip, blur=False, padding="reflect")
            again = self.encode(view).logits
            loss = loss + (weights[chosen] * symmetric_cross_entropy(again, logits[chosen])).sum() / len(p)
        self.update(loss)
        average_weights(self.network, self.anchor, self.source_momentum, trained=True)
        return corrected_by_prior(logits.detach()) if self.correction else logits

    def own_state(self) -> dict[str, Any]:
        """The moving average."""
        return {"mean": self.mean}

    def load_own_state(self, state: dict[str, Any]) -> None:
        """Take it back."""
        self.mean = state["mean"]
