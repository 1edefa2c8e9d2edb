"""Higher-order moment matching of features."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from adapt.data.batches import Pair
from adapt.losses import homm
from adapt.methods.base import Method


class HoMM(Method):
    """Minimise the distance between the domains' moment tensors of one order, by default the third.

    Paper: Chen et al., HoMM: Higher-Order Moment Matching for Unsupervised Domain Adaptation, AAAI 2020
    (https://arxiv.org/abs/1912.11976).

    Formula: `L = CE(f(x_s), y_s) + w · Σ_l ‖(1/N) Σ_i h_i^⊗p − (1/M) Σ_j h_j^⊗p‖²_F / d^p`, with h the tanh of a
    layer's outputs `(N, d)` and `(M, d)`. It is the mean of d^p squared differences and shrinks with the order. The
    authors' code has w = 10⁴ for p = 3, with Adam. Lower orders need a smaller w. So does SGD, because its steps grow
    with w: at lr 0.05 the ReLUs of a bottleneck die in the first steps; with w = 100 they do not.

    As in the paper: tensor, scaling, order 3. Departures: the whole tensor is matched at every width, exactly, through
    inner products; `samples: 1000` draws entries, as the paper does for large d^p. The paper's adapted layer is a tanh,
    because zeros of a ReLU are zeros of the tensor. Here tanh is applied only for this term, after the backbone's ReLU;
    the classifier gets the features unchanged. The authors' code subtracts the means first (`center: true`); the
    paper's formula does not. With `center` only the shape of the distributions is matched, which helps less if the
    shift moves the means, as on our tests' toy data. The paper's clustering of target features around pseudo-labels
    (HoMM "full") and its kernel version are left out.

    Published: not repeated here; the paper's tables use a tanh layer of 90 units in its own networks.

    Args:
        weight: Weight w of the distance.
        order: Order p of the moments: 1 matches means, 2 Gram matrices.
        samples: Number of tensor entries to draw at each step; None for all.
        center: Match central moments.
        layers: Layers that are matched: `features`, `logits`, or both.
        squash: Function on the layer: `tanh`, `sigmoid`, or `none`.
        **kwargs: Arguments of `Method`.
    """

    family: ClassVar[str] = "matching"

    def __init__(
        self,
        weight: float = 1e4,
        order: int = 3,
        samples: int | None = None,
        center: bool = False,
        layers: Sequence[Literal["features", "logits"]] = ("features",),
        squash: Literal["sigmoid", "tanh", "none"] = "tanh",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.weight, self.order, self.samples, self.center = weight, order, samples, center
        self.layers, self.squash = tuple(layers), squash

    def losses(self, batch: Pair) -> dict[str, Tensor]:
        """Source cross-entropy and the distance summed over layers."""
        source, target = self.encode(batch)
        terms = [self.discrepancy(getattr(source, layer), getattr(target, layer)) for layer in self.layers]
        return {
            "source": self.supervised_loss(source.logits, batch.source.y),
            "homm": self.weight * torch.stack(terms).sum(),
        }

    def discrepancy(self, source: Tensor, target: Tensor) -> Tensor:
        """The distance of one layer's outputs `(N, d)` and `(M, d)`, with this method's settings."""
        return homm(source, target, order=self.order, samples=self.samples, center=self.center, squash=self.squash)
