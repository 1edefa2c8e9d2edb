"""Convolutional deep domain adaptation for time series."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from adapt.data.batches import Pair
from adapt.errors import AdaptError
from adapt.layers import DomainDiscriminator
from adapt.losses import label_proportions
from adapt.methods.dann import DANN
from adapt.problems import Classification, Problem


class CoDATS(DANN):
    """DANN with the paper's discriminator for time series, and with known shares of the target's classes, if there are.

    Paper: Wilson, Doppa and Cook, Multi-Source Deep Domain Adaptation with Weak Supervision for Time-Series Sensor
    Data, KDD 2020 (https://arxiv.org/abs/2005.10996).

    Formula: DANN's, and with `proportions` π `+ v · KL(π ‖ p̄_t)`, where p̄_t is the mean softmax of the target's batch.
    Features `(N, d)`, logits `(N, K)`.

    As in the paper: a discriminator of three hidden layers of 500 units with batch norm and dropout of 0.3, and
    DANN's λ. The backbone is free; the paper's is three convolutions and a mean over time, as `CNN1D`. Departures:
    several sources are pooled into one domain, where the paper's discriminator tells each of them apart, so that with
    one source, as here in the tables, both are the same. The shares are of the whole target, and a small batch's own
    differ from them: take batches of 64 or more.

    Published, UCI HAR, macro-F1 of ten pairs (AdaTime, chosen by source risk / target risk): 84.3 / 88.2.

    Args:
        proportions: Shares of the classes in the target, in the order of the class names, from outside knowledge; they
            are made to sum to 1. None for none.
        proportions_weight: Weight v of their term.
        discriminator_hidden: See `DANN`.
        discriminator_layers: See `DANN`.
        discriminator_batch_norm: See `DANN`.
        discriminator_dropout: Probability of dropping a hidden unit of the discriminator.
        **kwargs: Arguments of `DANN`.

    Raises:
        AdaptError: The shares are not one for each class, or negative.
    """

    problems: ClassVar[tuple[type[Problem], ...]] = (Classification,)

    def __init__(
        self,
        proportions: Sequence[float] | None = None,
        proportions_weight: float = 1.0,
        discriminator_hidden: int = 500,
        discriminator_layers: int = 3,
        discriminator_batch_norm: bool = True,
        discriminator_dropout: float = 0.3,
        **kwargs: Any,
    ) -> None:
        self.discriminator_dropout = discriminator_dropout
        super().__init__(
            discriminator_hidden=discriminator_hidden,
            discriminator_layers=discriminator_layers,
            discriminator_batch_norm=discriminator_batch_norm,
            **kwargs,
        )
        self.proportions_weight = proportions_weight
        self.proportions: Tensor | None = None
        if proportions is not None:
            if len(proportions) != self.num_outputs or min(proportions) < 0 or sum(proportions) <= 0:
                raise AdaptError(
                    f"CoDATS expects a share of at least 0 for each of the {self.num_outputs} classes, found "
                    f"{list(proportions)}."
                )
            self.proportions = torch.tensor(proportions) / sum(proportions)

    def losses(self, batch: Pair) -> dict[str, Tensor]:
        """Source cross-entropy, the adversarial domain loss, and agreement with the known shares."""
        terms = super().losses(batch)
        if self.proportions is not None:
            assert self._encodings is not None  # DANN's losses have just encoded the batch
            logits = self._encodings.target.logits
            self.proportions = self.proportions.to(logits.device)
            terms["proportions"] = self.proportions_weight * label_proportions(logits, self.proportions)
        return terms

    def new_discriminator(self, in_features: int) -> DomainDiscriminator:
        """The discriminator, with dropout."""
        hidden, layers, batch_norm = self._shape
        return DomainDiscriminator(in_features, hidden, layers, batch_norm, dropout=self.discriminator_dropout)
