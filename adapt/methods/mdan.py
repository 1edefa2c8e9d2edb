"""Multisource domain adversarial networks."""

from typing import Any, Literal

import torch
from torch import Tensor, nn

from adapt.data.batches import Pair
from adapt.errors import AdaptError
from adapt.layers import DomainDiscriminator, reverse_gradient
from adapt.losses import domain_adversarial, soft_maximum
from adapt.methods.several_sources import SeveralSources
from adapt.schedules import Reversal, reversal_ramp


class MDAN(SeveralSources):
    """A domain discriminator for each source against the target, and most weight for the source that does worst.

    Paper: Zhao et al., Adversarial Multiple Source Domain Adaptation, NeurIPS 2018 (https://arxiv.org/abs/1705.09684).

    Formula: with one loss per source, `v_i = CE(f(x_i), y_i) + w · BCE_i`, where BCE_i is the domain loss of
    discriminator i behind a gradient reversal, see `DANN`, the smooth version minimises
    `(1/γ) log [1/S Σ_i e^{γ v_i}]`, see `adapt.losses.soft_maximum`, and the hard version the largest v_i.
    Features g `(N, d)`, logits `(N, K)`.

    As in the authors' code: the sum of both losses in v_i, with a reversal for the features, and γ = 10. Departures: λ
    ramps up with the training's progress, as in `DANN`, theirs is 1 throughout, with w = 0.01 and a domain loss that is
    the sum of the two domains' and so twice as large; their discriminators are linear (`discriminator_layers: 0`), and
    their hard version adds the largest cross-entropy to the smallest domain loss.

    Args:
        weight: Weight w of the domain losses.
        gamma: γ of the smooth maximum.
        maximum: `soft`, or `hard` for the worst source alone.
        schedule: λ over training, see `DANN`.
        discriminator_hidden: Width of the discriminators' hidden layers.
        discriminator_layers: Number of their hidden layers.
        **kwargs: Arguments of `SeveralSources`.

    Raises:
        AdaptError: An argument is out of range, or there are not two sources or more.
    """

    def __init__(
        self,
        weight: float = 1.0,
        gamma: float = 10.0,
        maximum: Literal["soft", "hard"] = "soft",
        schedule: Reversal = "ganin",
        discriminator_hidden: int = 1024,
        discriminator_layers: int = 2,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if gamma <= 0 or maximum not in ("soft", "hard"):
            raise AdaptError(f"MDAN expects gamma above 0 and soft or hard, found {gamma} and {maximum!r}.")
        self.weight, self.gamma, self.maximum, self.schedule = weight, gamma, maximum, schedule
        shape = (self.num_features, discriminator_hidden, discriminator_layers)
        self.discriminators = nn.ModuleList(DomainDiscriminator(*shape) for _ in range(self.num_sources))

    def losses(self, batch: Pair) -> dict[str, Tensor]:
        """The smooth maximum over the sources of cross-entropy and domain loss."""
        source, target = self.encode(batch)
        ramp = reversal_ramp(self.schedule, self.progress, self.batches_seen)
        each = []
        for k, rows in self.sources_of(batch.source):
            seen = reverse_gradient(torch.cat([source.features[rows], target.features]), ramp)
            of_source, of_target = self.discriminators[k](seen).split([len(rows), len(target.features)])
            own = self.supervised_loss(source.logits[rows], batch.source.y[rows])
            each.append(own + self.weight * domain_adversarial(of_source, of_target))
        values = torch.stack(each)
        if self.logs_now:
            self.log_values({"worst_source": values.max(), "lambda": ramp})
        return {"sources": values.max() if self.maximum == "hard" else soft_maximum(values, sharpness=self.gamma)}
