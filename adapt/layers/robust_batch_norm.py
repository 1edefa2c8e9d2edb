"""Batch norm whose running statistics are what it normalises with, also while it adapts."""

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


class RobustBatchNorm(nn.Module):
    """Batch norm that moves its statistics a little towards each batch's, and normalises with the moved ones.

    RoTTA, Yuan et al., CVPR 2023, https://arxiv.org/abs/2303.13899: `μ ← (1 − α) μ + α μ_B`, likewise σ² (divided by n,
    not n − 1), with gradient through the batch's part. Outside of `adapting` it is ordinary batch norm in evaluation.

    Args:
        layer: The trained batch norm, whose weights and statistics it takes over.
        alpha: α.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, layer: _BatchNorm, alpha: float) -> None:
        super().__init__()
        self.alpha, self.eps, self.adapting = alpha, layer.eps, False
        width = layer.num_features
        mean, var = layer.running_mean, layer.running_var
        self.register_buffer("running_mean", torch.zeros(width) if mean is None else mean.detach().clone())
        self.register_buffer("running_var", torch.ones(width) if var is None else var.detach().clone())
        scaled = layer.weight is not None
        self.weight = nn.Parameter(layer.weight.detach().clone() if scaled else torch.ones(width), scaled)
        self.bias = nn.Parameter(layer.bias.detach().clone() if scaled else torch.zeros(width), scaled)

    def forward(self, x: Tensor) -> Tensor:
        """Normalised inputs `(N, d, ...)`."""
        mean, var = self.running_mean, self.running_var
        if self.adapting:
            over = [0, *range(2, x.ndim)]
            batch_var, batch_mean = torch.var_mean(x, dim=over, correction=0)
            mean = (1 - self.alpha) * mean + self.alpha * batch_mean
            var = (1 - self.alpha) * var + self.alpha * batch_var
            self.running_mean.copy_(mean.detach())
            self.running_var.copy_(var.detach())
        shape = [1, -1, *[1] * (x.ndim - 2)]
        scale = (self.weight / (var + self.eps).sqrt()).view(shape)
        return (x - mean.view(shape)) * scale + self.bias.view(shape)
