"""What methods with a mean teacher share: a copy of the network that follows it slowly."""

import copy
from typing import Any

import torch
from torch import Tensor, nn

from adapt.encoding import Encoding
from adapt.errors import AdaptError
from adapt.methods.base import Method


class HasTeacher(Method):
    """Base of the methods with a teacher, whose parameters are the moving average of the student's.

    It starts as a copy of the network, with `init_from` of that one. Its batch norm has running statistics of its own.
    Checkpoints hold it, and no optimizer does.

    Args:
        decay: Decay d of the average, θ' ← d θ' + (1 − d) θ after each optimizer step.
        **kwargs: Arguments of the method.

    Raises:
        AdaptError: The decay is out of range.
    """

    def __init__(self, decay: float = 0.99, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not 0 <= decay < 1:
            raise AdaptError(f"{type(self).__name__} expects a decay in [0, 1), found {decay}.")
        self.decay = decay
        parts = {name: getattr(self, name) for name in ("backbone", "bottleneck", "classifier")}
        self.teacher = copy.deepcopy(nn.ModuleDict(parts)).requires_grad_(False)

    def taught(self, x: Tensor) -> Encoding:
        """The teacher's features and logits of inputs `(N, ...)`."""
        features = self.teacher["bottleneck"](self.teacher["backbone"](x))
        return Encoding(features, self.teacher["classifier"](features))

    def decay_after(self, steps: int) -> float:
        """The decay after a number of optimizer steps: here always the same."""
        return self.decay

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Take the student's step, then update the teacher."""
        decay = self.decay_after(self.global_step + 1)
        super().optimizer_step(*args, **kwargs)
        with torch.no_grad():
            for name, module in self.teacher.items():
                for kept, new in zip(module.parameters(), getattr(self, name).parameters(), strict=True):
                    kept.lerp_(new, 1 - decay)
