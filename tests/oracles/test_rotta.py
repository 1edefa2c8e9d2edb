"""RoTTA's weights, its memory's score, and its batch norm against NumPy and torch."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from adapt.errors import AdaptError
from adapt.layers.robust_batch_norm import RobustBatchNorm
from adapt.losses import memory_score, timeliness_weights


def test_weights_are_the_papers() -> None:
    ages = np.linspace(0, 4, 9)
    expected = np.exp(-ages) / (1 + np.exp(-ages))
    np.testing.assert_allclose(timeliness_weights(torch.from_numpy(ages)).numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize(("age", "uncertainty"), [(0, 0.0), (10, 0.3), (500, 2.3)])
def test_score_is_the_papers(age: int, uncertainty: float) -> None:
    expected = 1 / (1 + math.exp(-age / 64)) + uncertainty / math.log(10)
    assert memory_score(age, uncertainty, 64, 10) == pytest.approx(expected)


@pytest.mark.parametrize("shape", [(16, 3), (16, 3, 4, 5)])
def test_batch_norm_is_torchs_in_evaluation_and_moves_by_alpha_while_it_adapts(shape: tuple[int, ...]) -> None:
    own = (nn.BatchNorm1d if len(shape) == 2 else nn.BatchNorm2d)(3)
    torch.manual_seed(0)
    own.train()(torch.randn(shape))
    nn.init.uniform_(own.weight)
    layer, x = RobustBatchNorm(own, 0.05), 2 + 3 * torch.randn(shape)
    torch.testing.assert_close(layer(x), own.eval()(x))
    layer.adapting = True
    out = layer(x)
    flat = x.transpose(0, 1).reshape(3, -1).numpy()
    before_mean, before_var = own.running_mean.numpy(), own.running_var.numpy()
    mean = 0.95 * before_mean + 0.05 * flat.mean(1)
    var = 0.95 * before_var + 0.05 * flat.var(1)
    np.testing.assert_allclose(layer.running_mean.numpy(), mean, rtol=1e-5)
    np.testing.assert_allclose(layer.running_var.numpy(), var, rtol=1e-5)
    view = [1, 3, *[1] * (len(shape) - 2)]
    expected = (x.numpy() - mean.reshape(view)) / np.sqrt(var.reshape(view) + own.eps)
    expected = expected * own.weight.detach().numpy().reshape(view) + own.bias.detach().numpy().reshape(view)
    np.testing.assert_allclose(out.detach().numpy(), expected, rtol=1e-4, atol=1e-5)


def test_the_gradient_goes_through_the_batchs_share_of_the_statistics() -> None:
    layer = RobustBatchNorm(nn.BatchNorm1d(2).double(), 0.3).double()
    layer.adapting = True
    x = torch.randn(5, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()

    def once(values: torch.Tensor) -> torch.Tensor:
        layer.layer.running_mean, layer.layer.running_var = torch.zeros(2).double(), torch.ones(2).double()
        found: torch.Tensor = layer(values)
        return found

    assert torch.autograd.gradcheck(once, (x,))


class WithActivation(nn.BatchNorm2d):
    """As timm's: the activation is a part of the batch norm."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x).relu()


def test_what_else_a_batch_norm_does_is_still_done() -> None:
    own = WithActivation(3)
    torch.manual_seed(0)
    own.train()(torch.randn(16, 3, 4, 5))
    layer, x = RobustBatchNorm(own, 0.05), torch.randn(8, 3, 4, 5)
    torch.testing.assert_close(layer(x), own.eval()(x))
    layer.adapting = True
    assert (layer(x) >= 0).all() and not torch.equal(layer.running_mean, own.running_mean)


def test_bad_input_is_named() -> None:
    with pytest.raises(AdaptError, match="ages"):
        timeliness_weights(torch.tensor([-1.0]))
    with pytest.raises(AdaptError, match="capacity"):
        memory_score(0, 0.0, 0, 10)
