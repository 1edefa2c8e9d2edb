"""Batch norm whose running statistics are what it normalises with, also while it adapts."""

import copy

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


class RobustBatchNorm(nn.Module):
    """Batch norm that moves its statistics a little towards each batch's, and normalises with the moved ones.

    RoTTA, Yuan et al., CVPR 2023, https://arxiv.org/abs/2303.13899: `μ ← (1 − α) μ + α μ_B`, likewise σ² (divided by n,
    not n − 1), with gradient through the batch's part. Outside of `adapting` it is the layer in evaluation.

    What else the layer does it still does: timm's batch norms have the activation inside.

    Args:
        layer: The trained batch norm; its copy is what normalises.
        alpha: α.
    """

    def __init__(self, layer: _BatchNorm, alpha: float) -> None:
        super().__init__()
        self.alpha, self.adapting = alpha, False
        self.layer = copy.deepcopy(layer).eval()
        if self.layer.running_mean is None or self.layer.running_var is None:
            width = layer.num_features
            self.layer.track_running_stats = True
            self.layer.register_buffer("running_mean", torch.zeros(width))
            self.layer.register_buffer("running_var", torch.ones(width))

    @property
    def running_mean(self) -> Tensor:
        """μ `(d,)`."""
        assert self.layer.running_mean is not None
        return self.layer.running_mean

    @property
    def running_var(self) -> Tensor:
        """σ² `(d,)`."""
        assert self.layer.running_var is not None
        return self.layer.running_var

    def forward(self, x: Tensor) -> Tensor:
        """Normalised inputs `(N, d, ...)`."""
        if self.adapting:
            x = self._moved(x)
        found: Tensor = self.layer(x)
        return found

    def _moved(self, x: Tensor) -> Tensor:
        """The inputs as they are; their gradient is also that of the statistics, which have moved."""
        over = [0, *range(2, x.ndim)]
        batch_var, batch_mean = torch.var_mean(x, dim=over, correction=0)
        mean = (1 - self.alpha) * self.running_mean + self.alpha * batch_mean
        var = (1 - self.alpha) * self.running_var + self.alpha * batch_var
        # New tensors: an earlier pass may still need the old ones for its gradient.
        self.layer.running_mean, self.layer.running_var = mean.detach(), var.detach()
        # torch takes running statistics for constants. The difference below is 0, and its slope is what they lack:
        # that of (x − μ) / √(σ² + ε), times the root that the layer divides by.
        shape = [1, -1, *[1] * (x.ndim - 2)]
        scale = ((self.running_var + self.layer.eps) / (var + self.layer.eps)).sqrt()
        through = (x.detach() - mean.view(shape)) * scale.view(shape)
        return x + (through - through.detach())
