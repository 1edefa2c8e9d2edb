"""Central moment discrepancy between features."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from adapt.data.batches import Pair
from adapt.losses import cmd
from adapt.methods.base import Method


class CMD(Method):
    """Minimise the distances between the domains' means and central moments, order by order.

    Paper: Zellinger et al., Central Moment Discrepancy (CMD) for Domain-Invariant Representation Learning, ICLR 2017
    (https://arxiv.org/abs/1702.08811).

    Formula: `L = CE(f(x_s), y_s) + w · Σ_l (‖E X − E Y‖ / |b−a| + Σ_{k=2..K} ‖c_k(X) − c_k(Y)‖ / |b−a|^k)`, with X and
    Y a layer's outputs `(N, d)` and `(M, d)`, squashed into [a, b], and c_k(X) = E (X − E X)^k in each coordinate.

    As in the paper, K = 5 and w = 1. Departure: the paper's hidden layer ends in a sigmoid, our backbones end in a
    ReLU. So the features are squashed only for the discrepancy; the classifier gets them unchanged. After a ReLU,
    sigmoid and `tanh` use only the upper half of their interval. Features far from 0 get little gradient from either.

    Published, Amazon reviews, mean of 12 tasks: CMD 79.8, DANN 76.3 % (paper, Table 1).

    Args:
        weight: Weight w of the discrepancy.
        moments: Number K of moments.
        layers: Layers that are matched: `features`, `logits`, or both.
        squash: How a layer is bounded: `sigmoid` into [0, 1], `tanh` into [−1, 1], or `none` if it is bounded already.
        interval: The bounds a and b, for `squash: none` only.
        **kwargs: Arguments of `Method`.
    """

    family: ClassVar[str] = "matching"

    def __init__(
        self,
        weight: float = 1.0,
        moments: int = 5,
        layers: Sequence[Literal["features", "logits"]] = ("features",),
        squash: Literal["sigmoid", "tanh", "none"] = "sigmoid",
        interval: tuple[float, float] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.weight, self.moments, self.layers = weight, moments, tuple(layers)
        self.squash, self.interval = squash, interval

    def losses(self, batch: Pair) -> dict[str, Tensor]:
        """Source cross-entropy and the discrepancy summed over layers."""
        source, target = self.encode(batch)
        terms = [self.discrepancy(getattr(source, layer), getattr(target, layer)) for layer in self.layers]
        return {
            "source": self.supervised_loss(source.logits, batch.source.y),
            "cmd": self.weight * torch.stack(terms).sum(),
        }

    def discrepancy(self, source: Tensor, target: Tensor) -> Tensor:
        """The discrepancy of one layer's outputs `(N, d)` and `(M, d)`, with this method's settings."""
        return cmd(source, target, moments=self.moments, squash=self.squash, interval=self.interval)
