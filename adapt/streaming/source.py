"""The network as it was trained: the baseline of every stream."""

from typing import ClassVar

import torch
from torch import Tensor

from adapt.streaming.base import StreamMethod
from adapt.trees import Tree


class Source(StreamMethod):
    """The run's network, unadapted. BN-0 of the tables that count batch norms."""

    baseline: ClassVar[bool] = True

    @torch.no_grad()
    def step(self, x: Tree) -> Tensor:
        """The logits."""
        return self.encode(x, statistics="running").logits
