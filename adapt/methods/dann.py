"""Domain-adversarial training of neural networks."""

from typing import Any, ClassVar

import torch
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor

from adapt.data.batches import Pair
from adapt.encoding import Encoding
from adapt.errors import AdaptError
from adapt.layers import DomainDiscriminator, reverse_gradient
from adapt.losses import domain_accuracy, domain_adversarial
from adapt.methods.base import Method
from adapt.methods.optimization import AdversarialAdam
from adapt.schedules import Reversal, reversal_ramp


class DANN(Method):
    """A domain discriminator behind a gradient-reversal layer.

    Paper: Ganin et al., Domain-Adversarial Training of Neural Networks, JMLR 2016
    (https://jmlr.org/papers/v17/15-239.html).

    Formula: `L = CE(f(x_s), y_s) + w · ½ [BCE(d(R_λ(g(x_s))), 1) + BCE(d(R_λ(g(x_t))), 0)]`, where R_λ is the identity
    whose gradient is multiplied by −λ, and λ(p) = 2 / (1 + e^{−10p}) − 1 over the training's progress p in [0, 1].
    Features g `(N, d)`, domain logits `(N,)`; the source has domain label 1.

    As in the paper, λ scales the reversed gradient only: the discriminator learns at full rate from the first step.
    Departures: the two domains are encoded in one pass (TLlib), and the discriminator's width is an argument.
    `train/domain_accuracy` near 0.5 late in training says that the discriminator was fooled, 1.0 that the features
    still tell the domains apart, 0.5 from the start that the discriminator learns nothing.

    Features and discriminator play against each other, and momentum makes such a game overshoot. So the optimizer's
    default is Adam with β₁ = 0.5, see `adapt.methods.optimization.AdversarialAdam`. Adam's usual 0.9 is 9 points worse
    on four pairs of PACS features, and SGD with momentum loses to source-only on small vectors (benchmarks/recipes).

    `domain_smoothing` is environment label smoothing (ELS; Zhang et al., Free Lunch for Domain Adversarial Training:
    Environment Label Smoothing, ICLR 2023, https://arxiv.org/abs/2302.00194): the domain labels 1 and 0 become 1 − ε
    and ε, so that the discriminator is not certain where the domains overlap; the paper's γ is 1 − ε. The authors try ε
    from 0.05 to 0.5 and report the one that is best on the target's test labels. It acts on every method with this
    discriminator, such as `CDAN`. On the toy tasks of tests/zoo the paper's gain hardly shows: DANN gains 9.0 points
    over source-only, 10.0 with ε = 0.1 and 11.0 with 0.2 at a decaying rate, 15.9 and 11.7 (ε = 0.1) at a constant one,
    and CDAN+E 14.5 and 2.1 (ε = 0.2), means of three seeds.

    Published, MNIST→MNIST-M: source only 52.25, DANN 76.66 % (JMLR 2016, Table 2). ELS: Office-31 mean
    90.4, Office-Home 84.6 %, as paperswithcode.com lists the paper's results, without the network.

    Args:
        weight: Weight w of the domain loss.
        schedule: λ over training: `ganin` as in the paper, `tllib` (2 / (1 + e^{−i/1000}) − 1 over batches i),
            or `constant`.
        gamma: Steepness of the `ganin` schedule.
        max_lambda: The value that λ approaches.
        discriminator_hidden: Width of the discriminator's hidden layers.
        discriminator_layers: Number of hidden layers; 0 is logistic regression.
        discriminator_batch_norm: Batch norm in the discriminator, as TLlib has it.
        domain_smoothing: Label smoothing ε of the domains (ELS), in [0, 0.5); 0.1 to 0.3 are usual.
        optimizer: Makes the optimizer from parameter groups. Adam with β₁ = 0.5 by default: see above.
        **kwargs: Arguments of `Method`.

    Raises:
        AdaptError: `domain_smoothing` is out of range.
    """

    family: ClassVar[str] = "adversarial"

    def __init__(
        self,
        weight: float = 1.0,
        schedule: Reversal = "ganin",
        gamma: float = 10.0,
        max_lambda: float = 1.0,
        discriminator_hidden: int = 1024,
        discriminator_layers: int = 2,
        discriminator_batch_norm: bool = False,
        domain_smoothing: float = 0.0,
        optimizer: OptimizerCallable = lambda p: AdversarialAdam(p, lr=0.001),
        **kwargs: Any,
    ) -> None:
        super().__init__(optimizer=optimizer, **kwargs)
        if not 0 <= domain_smoothing < 0.5:
            raise AdaptError(f"Expected domain_smoothing in [0, 0.5), found {domain_smoothing}.")
        self.domain_smoothing = domain_smoothing
        self.weight, self.schedule, self.gamma, self.max_lambda = weight, schedule, gamma, max_lambda
        self._shape = (discriminator_hidden, discriminator_layers, discriminator_batch_norm)
        self.discriminator = self.new_discriminator(self.num_features)

    def losses(self, batch: Pair) -> dict[str, Tensor]:
        """Source cross-entropy and the adversarial domain loss."""
        source, target = self.encode(batch)
        seen = torch.cat(self.domains_seen(source, target, batch.source.y))
        logits = self.discriminator(reverse_gradient(seen, self.reversal))
        source_domain, target_domain = logits.split([len(source.features), len(target.features)])
        if self.logs_now:
            accuracy = domain_accuracy(source_domain, target_domain)
            self.log_values({"domain_accuracy": accuracy, "lambda": self.reversal})
        weights = self.sample_weights(source, target)
        return {
            "source": self.supervised_loss(source.logits, batch.source.y),
            "domain": self.weight
            * domain_adversarial(source_domain, target_domain, weights=weights, smoothing=self.domain_smoothing),
        }

    def domains_seen(self, source: Encoding, target: Encoding, y: Tensor) -> tuple[Tensor, Tensor]:
        """What the discriminator sees of both domains, `(N, d)` and `(M, d)`; y are the source's labels."""
        return self.discriminated(source), self.discriminated(target)

    def discriminated(self, encoding: Encoding) -> Tensor:
        """What the discriminator sees of a domain, `(N, d)`: here the features."""
        return encoding.features

    def sample_weights(self, source: Encoding, target: Encoding) -> tuple[Tensor, Tensor] | None:
        """Weights of the samples in the domain loss, `(N,)` and `(M,)`: here none."""
        return None

    def new_discriminator(self, in_features: int) -> DomainDiscriminator:
        """A discriminator of the chosen shape."""
        hidden, layers, batch_norm = self._shape
        return DomainDiscriminator(in_features, hidden, layers, batch_norm=batch_norm)

    @property
    def reversal(self) -> float:
        """The gradient reversal's λ at this batch."""
        return self.max_lambda * reversal_ramp(self.schedule, self.progress, self.batches_seen, self.gamma)
