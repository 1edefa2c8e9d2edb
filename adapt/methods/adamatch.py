"""AdaMatch: FixMatch for two domains."""

import math
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from adapt.data.batches import Pair
from adapt.errors import AdaptError
from adapt.layers import StrongAugmentation, WeakAugmentation, batch_statistics
from adapt.losses import adamatch, aligned
from adapt.methods.base import Method
from adapt.problems import Classification, Problem


class AdaMatch(Method):
    """FixMatch whose pseudo-labels have the source's class shares and whose bar is the source's certainty.

    Paper: Berthelot et al., AdaMatch: A Unified Approach to Semi-Supervised Learning and Domain Adaptation, ICLR 2022
    (https://arxiv.org/abs/2106.04732).

    Formula: `L = ½ [CE(z_s^w, y_s) + CE(z_s^a, y_s)] + μ(p) · w · (1/M) Σ_j 1[max q̃_j ≥ c] CE(z_t,j^a, argmax q̃_j)`,
    with logits z `(N, K)` of weakly (w) and strongly (a) augmented samples. The target's predictions q̃ on weak views
    are aligned with the source's class shares, see `adapt.losses.aligned`, and the bar c is τ times the source's mean
    certainty, see `adapt.losses.adamatch`. Source logits are λ z' + (1 − λ) z, with λ uniform in [0, 1] for each logit,
    z' from a pass of the source alone and z from one of both domains, so that batch norm's two statistics agree. μ(p) =
    ½ − ½ cos(min(π, 2πp)) over the training's progress p.

    As in the authors' code: the source's shares are a moving average with momentum 0.999, the target's the mean over
    the last 128 batches, both uniform at the start; running statistics learn from the joint pass alone. Departures:
    weights have no moving average, the strong augmentation is `adapt.layers.StrongAugmentation` and not CTAugment,
    one target batch is as large as the source's (theirs three times).

    Without target labels this is the paper's unsupervised setting. With a few it is the semi-supervised one: give
    `--data.shots` and the penalty `TargetCrossEntropy`, which sees the labelled samples without augmentation.
    `train/confident` is the share of the target that teaches. Penalties see both views of the target.

    Published: not on a task here with this network.

    Args:
        weight: Weight w of the pseudo-label loss.
        threshold: Share τ of the source's certainty from which a prediction is a label.
        weak: Module from inputs to inputs; None is `WeakAugmentation`.
        strong: Module from inputs to inputs; None is `StrongAugmentation`.
        **kwargs: Arguments of `Method`.

    Raises:
        AdaptError: The threshold is out of range.
    """

    family: ClassVar[str] = "self-training"
    problems: ClassVar[tuple[type[Problem], ...]] = (Classification,)
    needs: ClassVar[str] = "augmentations (weak, strong)"
    source_share: Tensor
    target_shares: Tensor

    def __init__(
        self,
        weight: float = 1.0,
        threshold: float = 0.9,
        weak: nn.Module | None = None,
        strong: nn.Module | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not 0 <= threshold <= 1:
            raise AdaptError(f"AdaMatch expects a threshold in [0, 1], found {threshold}.")
        self.weight, self.threshold = weight, threshold
        self.weak = WeakAugmentation() if weak is None else weak
        self.strong = StrongAugmentation() if strong is None else strong
        self.register_buffer("source_share", torch.full((self.num_outputs,), 1 / self.num_outputs))
        self.register_buffer("target_shares", torch.full((128, self.num_outputs), 1 / self.num_outputs))

    def losses(self, batch: Pair) -> dict[str, Tensor]:
        """Source cross-entropy of both views, and the pseudo-label loss of the target."""
        source, target = (self._views(domain.x) for domain in (batch.source, batch.target))
        with batch_statistics([m for m in self.modules() if isinstance(m, _BatchNorm)]):
            alone = self(source).logits
        encoded = self.encode(Pair(batch.source._replace(x=source), batch.target._replace(x=target)))
        joint = encoded.source.logits
        logits = joint + (alone - joint) * torch.rand_like(joint)
        weak, strong = encoded.target.logits[0::2], encoded.target.logits[1::2]
        taught = self._aligned(logits[0::2].detach(), weak.detach())
        if self.logs_now:
            bar = self.threshold * logits[0::2].detach().softmax(1).max(1).values.mean()
            self.log_values({"confident": (taught.max(1).values >= bar).float().mean(), "bar": bar})
        loss = adamatch(strong, taught, logits[0::2], threshold=self.threshold)
        return {
            "source": self.supervised_loss(logits, batch.source.y.repeat_interleave(2)),
            "pseudo_label": self.growth * self.weight * loss,
        }

    @property
    def growth(self) -> float:
        """Factor μ on the target's term at this batch."""
        return 0.5 - 0.5 * math.cos(min(math.pi, 2 * math.pi * self.progress))

    def _views(self, x: Tensor) -> Tensor:
        # A sample's views are neighbours, and stay so where those of several processes follow one another.
        return torch.stack([self.weak(x), self.strong(x)], 1).flatten(0, 1)

    def _aligned(self, source: Tensor, target: Tensor) -> Tensor:
        shares = [logits.float().softmax(1).mean(0).to(self.source_share) for logits in (source, target)]
        # New tensors and no changes in place: several processes would copy buffers that a graph still needs.
        self.source_share = self.source_share.lerp(shares[0], 0.001)
        self.target_shares = torch.cat([self.target_shares[1:], shares[1][None]])
        return aligned(target, self.source_share, self.target_shares.mean(0))
