"""Wasserstein distance guided representation learning."""

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import torch
from torch import nn

from adapt.data.batches import Pair
from adapt.errors import AdaptError
from adapt.layers import DomainDiscriminator
from adapt.losses import critic_gap, gradient_penalty
from adapt.methods.alternating import AlternatingMethod, Phase

# Slope below zero; see the class.
_SLOPE = 0.2


class WDGRL(AlternatingMethod):
    """A critic estimates the Wasserstein distance between the domains' features, and the features reduce it.

    Paper: Shen et al., Wasserstein Distance Guided Representation Learning for Domain Adaptation, AAAI 2018
    (https://arxiv.org/abs/1707.01217).

    Formula: on each batch, with critic c and features g `(N, d)`,
    the critic minimises `−W + γ · mean (‖∇c(h)‖ − 1)²`, k times, where `W = mean c(g(x_s)) − mean c(g(x_t))`, then
    features and classifier minimise `CE(f(x_s), y_s) + w · W`.
    The penalty's points h are the source features, the target features, and random points between pairs of them, as in
    the paper; if the batches differ in size, samples of the smaller one are paired again in turn.

    Critic and network step on the same encoding of the batch. The defaults k = 5, γ = 10, w = 1 and a critic with one
    hidden layer of 100 units are those of the authors' code on the Amazon reviews.
    Departures: the two domains are encoded in one pass; the critic's units are leaky ReLUs with slope 0.2. With the
    authors' ReLUs, the features learned on USPS → MNIST to switch every unit off. Such a critic has no gradient and
    never recovers (`train/gradient_penalty` then stays at γ), and adaptation stops without a warning. If
    `train/wasserstein` is near 0 early in training, the critic is too slow: give it more steps, or a higher rate.

    Published: not on a task here with the same preprocessing.

    Args:
        weight: Weight w of the distance.
        critic_steps: Number k of the critic's steps on each batch.
        penalty_weight: γ.
        critic_hidden: Width of the critic's hidden layers.
        critic_layers: Number of hidden layers.
        critic_lr_scale: Factor on the critic's learning rate.
        **kwargs: Arguments of `Method`.

    Raises:
        AdaptError: `critic_steps` is below 1.
    """

    family: ClassVar[str] = "adversarial"

    def __init__(
        self,
        weight: float = 1.0,
        critic_steps: int = 5,
        penalty_weight: float = 10.0,
        critic_hidden: int = 100,
        critic_layers: int = 1,
        critic_lr_scale: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if critic_steps < 1:
            raise AdaptError(f"Expected critic_steps of at least 1, found {critic_steps}.")
        self.weight, self.critic_steps, self.penalty_weight = weight, critic_steps, penalty_weight
        self.critic_lr_scale = critic_lr_scale
        self.critic = DomainDiscriminator(self.num_features, critic_hidden, critic_layers, negative_slope=_SLOPE)

    def parts(self) -> dict[str, Sequence[nn.Module]]:
        """The critic, and the network."""
        return {"critic": [self.critic], "network": [self.backbone, self.bottleneck, self.classifier]}

    def lr_scales(self) -> dict[str, float]:
        """The critic's own learning rate."""
        return {"critic": self.critic_lr_scale}

    def phases(self, batch: Pair) -> Iterator[Phase]:
        """Train the critic, then take one step of the network against it."""
        encodings = self.encode(batch)
        source, target = encodings.source.features, encodings.target.features
        constants = torch.cat([source, target]).detach()
        for _ in range(self.critic_steps):
            gap = critic_gap(*self.critic(constants).split([len(source), len(target)]))
            # The points are in full precision; the network may be in half.
            penalty = gradient_penalty(lambda points: self.critic(points.to(self.dtype)), source, target)
            yield Phase(["critic"], {"critic": -gap, "gradient_penalty": self.penalty_weight * penalty})
        gap = critic_gap(self.critic(source), self.critic(target))
        terms = {
            "source": self.supervised_loss(encodings.source.logits, batch.source.y),
            "wasserstein": self.weight * gap,
        }
        yield Phase(["network"], terms | self.penalty_terms(batch, encodings))
