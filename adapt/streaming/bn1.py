"""Batch norm with the statistics of each test batch."""

from typing import Any, ClassVar

import torch
from torch import Tensor

from adapt.errors import AdaptError
from adapt.streaming.base import StreamMethod, batch_norm_layers
from adapt.trees import Tree


class BN1(StreamMethod):
    """Normalise each batch with its own statistics; no weight changes, and nothing is remembered.

    Papers: Schneider et al., NeurIPS 2020 (https://arxiv.org/abs/2006.16971); Nado et al. 2020
    (https://arxiv.org/abs/2006.10963). BN-1 in the tables: a share of 1 of the test batch, none of the source.

    Formula: `γ (x − μ) / σ + β` with μ and σ of the batch in every batch norm, and the source's γ and β.

    `adapt.methods.AdaBN` does something else under a similar idea: it averages over the target's training set, once,
    before anything is predicted.

    Args:
        **kwargs: Arguments of `StreamMethod`; there is nothing to train, so the learning rate has no effect.

    Raises:
        AdaptError: The network has no batch norm.
    """

    title: ClassVar[str] = "BN-1"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not batch_norm_layers(self.network):
            raise AdaptError(
                "BN1 uses the batch's statistics in batch norm, found a network without any. Train its run with "
                "--model.bottleneck 256, or with a backbone with batch norm such as SmallCNN."
            )

    @torch.no_grad()
    def step(self, x: Tree) -> Tensor:
        """The logits."""
        return self.encode(x).logits
