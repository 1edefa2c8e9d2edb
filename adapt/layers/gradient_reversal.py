"""Gradient reversal: layers after it minimise the loss, layers before it maximise it, in one backward pass."""

from typing import Any

import torch
from torch import Tensor, nn


class _ReverseGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: float) -> Tensor:
        ctx.scale = scale
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return -ctx.scale * gradients[0], None


def reverse_gradient(x: Tensor, scale: float) -> Tensor:
    """Identity whose gradient is multiplied by −scale.

    Ganin & Lempitsky 2015, https://arxiv.org/abs/1409.7495. The layers after it learn at full strength, whatever the
    scale.

    Args:
        x: Any tensor.
        scale: λ, e.g. `adapt.schedules.ganin_ramp(progress)`; 0 stops the gradient.

    Returns:
        `x`, of the same shape.
    """
    reversed_: Tensor = _ReverseGradient.apply(x, scale)
    return reversed_


class GradientReversal(nn.Module):
    """`reverse_gradient` as a module, for printing and hooks; the scale is given at each call."""

    def forward(self, x: Tensor, scale: float) -> Tensor:
        """Identity whose gradient is multiplied by −scale."""
        return reverse_gradient(x, scale)
