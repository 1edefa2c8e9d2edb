"""Adversarial discriminative domain adaptation."""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any, ClassVar

import torch
from torch import nn

from adapt.data.batches import Pair
from adapt.encoding import Encoding, Encodings
from adapt.layers import DomainDiscriminator
from adapt.losses import adda, domain_accuracy, domain_adversarial
from adapt.methods.alternating import AlternatingMethod, Phase


class ADDA(AlternatingMethod):
    """Train a second encoder for the target, so that its features look like those of a trained source encoder.

    Paper: Tzeng et al., Adversarial Discriminative Domain Adaptation, CVPR 2017 (https://arxiv.org/abs/1702.05464).

    Formula: source training gives the encoder m_s and the classifier. Then, on each batch,
    the discriminator minimises `½ [BCE(d(m_s(x_s)), 1) + BCE(d(m_t(x_t)), 0)]`, then
    the target encoder minimises `w · BCE(d(m_t(x_t)), 1)`.
    Features m `(N, d)`, domain logits `(N,)`. m_t starts as m_s; m_s (in evaluation mode) and classifier are frozen.

    Backbone and bottleneck are the target encoder. So every prediction and every accuracy, also on the source, comes
    from target encoder and source classifier: the network to be deployed. Each domain is always encoded separately by
    its own encoder; `joint_forward` has no effect. Penalties act on the target encoder's step.

    Training needs `init_from`. The method's own checkpoints hold both encoders, so they do not need the source run's
    file any more.

    The encoder starts trained, and no label constrains it. At a learning rate for training from scratch it fools the
    discriminator but forgets the classes, and `val/source_accuracy` (of the target encoder) falls. For digits the paper
    uses Adam with lr 0.0002 and β₁ = 0.5. With this package's Adam at 0.001, `encoder_lr_scale: 0.1` is just as stable.

    Published: SVHN→MNIST 76.0, MNIST→USPS 89.4 (source only 75.2), USPS→MNIST 90.1 % (paper).

    Args:
        weight: Weight w of the target encoder's loss.
        discriminator_hidden: Width of the discriminator's hidden layers.
        discriminator_layers: Number of hidden layers.
        encoder_lr_scale: Factor on the target encoder's learning rate, on top of `backbone_lr_scale`.
        **kwargs: Arguments of `Method`.

    Raises:
        AdaptError: Training starts without a source run.
    """

    family: ClassVar[str] = "adversarial"
    starts_from_source: ClassVar[bool] = True

    def __init__(
        self,
        weight: float = 1.0,
        discriminator_hidden: int = 500,
        discriminator_layers: int = 2,
        encoder_lr_scale: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.weight, self.encoder_lr_scale = weight, encoder_lr_scale
        self.source_encoder = deepcopy(nn.Sequential(self.backbone, self.bottleneck)).requires_grad_(False).eval()
        self.classifier.requires_grad_(False)
        self.discriminator = DomainDiscriminator(self.num_features, discriminator_hidden, discriminator_layers)

    def train(self, mode: bool = True) -> "ADDA":
        """Set the mode of all but the source encoder, so that its batch norm keeps the source's statistics."""
        super().train(mode)
        self.source_encoder.eval()
        return self

    def encode(self, batch: Pair) -> Encodings:
        """Encode each domain with its own encoder."""
        with torch.no_grad():
            features = self.source_encoder(batch.source.x)
            (source,) = self.of_all_processes(Encoding(features, self.classifier(features)))
        return Encodings(source, self(batch.target.x))

    def parts(self) -> dict[str, Sequence[nn.Module]]:
        """The discriminator and the target encoder."""
        return {"discriminator": [self.discriminator], "encoder": [self.backbone, self.bottleneck]}

    def lr_scales(self) -> dict[str, float]:
        """The target encoder's own learning rate."""
        return {"encoder": self.encoder_lr_scale}

    def phases(self, batch: Pair) -> Iterator[Phase]:
        """Train the discriminator, then the target encoder against it."""
        encodings = self.encode(batch)
        source, target = encodings.source.features, encodings.target.features
        source_domain, target_domain = self.discriminator(source), self.discriminator(target.detach())
        if self.logs_now:
            self.log_values({"domain_accuracy": domain_accuracy(source_domain, target_domain)})
        yield Phase(["discriminator"], {"domain": domain_adversarial(source_domain, target_domain)})
        terms = {"fool": self.weight * adda(self.discriminator(target))}
        yield Phase(["encoder"], terms | self.penalty_terms(batch, encodings))
