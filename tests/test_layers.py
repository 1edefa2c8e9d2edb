"""Shapes and make-up of the layers."""

import pytest
import torch
from torch import nn

from adapt.errors import AdaptError
from adapt.layers import Bottleneck, DomainDiscriminator


def kinds(module: nn.Module) -> list[str]:
    return [type(child).__name__ for child in module.modules() if not list(child.children())]


def test_discriminator_has_the_asked_layers_and_one_logit_per_sample() -> None:
    assert DomainDiscriminator(6)(torch.randn(4, 6)).shape == (4,)
    assert kinds(DomainDiscriminator(6)) == ["Linear", "ReLU", "Linear", "ReLU", "Linear"]
    full = DomainDiscriminator(6, hidden=8, layers=1, batch_norm=True, dropout=0.5)
    assert kinds(full) == ["Linear", "BatchNorm1d", "ReLU", "Dropout", "Linear"]
    sizes = [p.numel() for p in DomainDiscriminator(6, hidden=8).parameters()]
    assert sizes == [6 * 8, 8, 8 * 8, 8, 8, 1]


def test_discriminator_without_layers_is_a_logistic_regression() -> None:
    discriminator = DomainDiscriminator(6, layers=0)
    weight, bias = discriminator.parameters()
    x = torch.randn(1, 6)
    torch.testing.assert_close(discriminator(x), (x @ weight.T + bias).flatten())


def test_discriminator_learns_a_domain_that_no_line_separates() -> None:
    torch.manual_seed(0)
    x = torch.randn(200, 2)
    inside = (x.norm(dim=1) < 1).float()
    discriminator = DomainDiscriminator(2, hidden=32, layers=1)
    optimizer = torch.optim.Adam(discriminator.parameters(), lr=0.02)
    for _ in range(150):
        optimizer.zero_grad()
        nn.functional.binary_cross_entropy_with_logits(discriminator(x), inside).backward()
        optimizer.step()
    assert ((discriminator(x) > 0) == inside.bool()).float().mean() > 0.95


def test_discriminator_refuses_impossible_sizes() -> None:
    with pytest.raises(AdaptError, match="layers >= 0"):
        DomainDiscriminator(4, layers=-1)


def test_bottleneck_normalises_then_rectifies() -> None:
    torch.manual_seed(0)
    bottleneck = Bottleneck(5, 3)
    assert kinds(bottleneck) == ["Linear", "BatchNorm1d", "ReLU"]
    assert bottleneck.out_features == 3
    x = 4 * torch.randn(500, 5) + 7
    linear = next(bottleneck.children())(x)
    expected = ((linear - linear.mean(0)) / linear.var(0, unbiased=False).sqrt()).clamp_min(0)
    torch.testing.assert_close(bottleneck(x), expected, atol=1e-3, rtol=1e-3)
