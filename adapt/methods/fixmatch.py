"""FixMatch, with the source as its labelled samples."""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from adapt.data.batches import Pair
from adapt.layers import StrongAugmentation, WeakAugmentation
from adapt.losses import confident, fixmatch
from adapt.methods.base import Method
from adapt.problems import Classification, Problem


class FixMatch(Method):
    """Use certain predictions on weakly augmented target samples as labels for strongly augmented ones.

    Paper: Sohn et al., FixMatch: Simplifying Semi-Supervised Learning with Consistency and Confidence, NeurIPS 2020
    (https://arxiv.org/abs/2001.07685).

    Formula: `L = CE(f(α(x_s)), y_s) + w · (1/M) Σ_j 1[max q_j ≥ τ] CE(f(A(x_t,j)), argmax q_j)`, with α the weak and A
    the strong augmentation and q_j the detached softmax of f(α(x_t,j)). Inputs `(N, ...)` and `(M, ...)`.

    As in the paper, the source is weakly augmented, and all three batches go through the network in one pass
    (`joint_forward: false` passes the source, then both views of the target). Departures: the strong augmentation is a
    batched chain on the device instead of RandAugment, see `adapt.layers.StrongAugmentation`; nothing is flipped; there
    is no moving average of the weights. TLlib encodes the three batches separately and takes τ = 0.9.

    `train/confident` is the share of target samples that get a pseudo-label. If it stays near 0, τ is too high for this
    network. If it is near 1 from the start, the network is certain of its errors too. Penalties see both views of the
    target.

    Published: not on a task here (the paper's are semi-supervised).

    Args:
        weight: Weight w of the pseudo-label loss.
        threshold: Smallest probability τ at which a prediction becomes a label.
        weak: Module from inputs to inputs; None is `WeakAugmentation`.
        strong: Module from inputs to inputs; None is `StrongAugmentation`.
        **kwargs: Arguments of `Method`.
    """

    family: ClassVar[str] = "self-training"
    problems: ClassVar[tuple[type[Problem], ...]] = (Classification,)
    needs: ClassVar[str] = "augmentations (weak, strong)"

    def __init__(
        self,
        weight: float = 1.0,
        threshold: float = 0.95,
        weak: nn.Module | None = None,
        strong: nn.Module | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.weight, self.threshold = weight, threshold
        self.weak = WeakAugmentation() if weak is None else weak
        self.strong = StrongAugmentation() if strong is None else strong

    def losses(self, batch: Pair) -> dict[str, Tensor]:
        """Source cross-entropy and the pseudo-label loss of the target."""
        source = batch.source._replace(x=self.weak(batch.source.x))
        # A sample's two views are neighbours, and stay neighbours when several processes' views are concatenated.
        views = torch.stack([self.weak(batch.target.x), self.strong(batch.target.x)], 1).flatten(0, 1)
        encoded = self.encode(Pair(source, batch.target._replace(x=views)))
        weak, strong = encoded.target.logits[0::2], encoded.target.logits[1::2]
        share = confident(weak.detach(), self.threshold).float().mean()
        self.log_values({"confident": share})
        return {
            "source": self.supervised_loss(encoded.source.logits, batch.source.y),
            "pseudo_label": self.weight * fixmatch(strong, weak, threshold=self.threshold),
        }
