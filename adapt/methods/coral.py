"""Correlation alignment of deep features."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from adapt.data.batches import Pair
from adapt.losses import coral
from adapt.methods.base import Method


class CORAL(Method):
    """Minimise the distance between the covariances of the two domains' features.

    Paper: Sun and Saenko, Deep CORAL: Correlation Alignment for Deep Domain Adaptation, ECCV Workshops 2016
    (https://arxiv.org/abs/1607.01719).

    Formula: `L = CE(f(x_s), y_s) + w · Σ_l ‖C_s − C_t‖²_F / (4 d²)`, with C the covariance (n − 1) of a layer's outputs
    `(N, d)` and `(M, d)`.

    The paper matches the last layer's outputs and chooses w so that both losses are about equal at the end. The default
    here matches the features, as in later work; `layers: [logits]` is the paper's choice.

    Published, Office-31 mean, AlexNet: 72.1 against source only 70.1 % (paper, Table 1).

    Args:
        weight: Weight w of the covariance distance.
        layers: Layers that are matched: `features`, `logits`, or both.
        scale: `paper` divides by 4d², `mean` averages the squared covariance differences and adds the average of the
            squared mean differences (DomainBed, TLlib).
        **kwargs: Arguments of `Method`.
    """

    family: ClassVar[str] = "matching"

    def __init__(
        self,
        weight: float = 1.0,
        layers: Sequence[Literal["features", "logits"]] = ("features",),
        scale: Literal["paper", "mean"] = "paper",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.weight, self.layers, self.scale = weight, tuple(layers), scale

    def losses(self, batch: Pair) -> dict[str, Tensor]:
        """Source cross-entropy and the covariance distance summed over layers."""
        source, target = self.encode(batch)
        terms = [coral(getattr(source, layer), getattr(target, layer), scale=self.scale) for layer in self.layers]
        return {
            "source": self.supervised_loss(source.logits, batch.source.y),
            "coral": self.weight * torch.stack(terms).sum(),
        }
