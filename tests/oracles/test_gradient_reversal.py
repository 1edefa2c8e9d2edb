"""Gradient reversal: identity forward, −scale backward, and the discriminator untouched."""

import pytest
import torch

from adapt.layers import DomainDiscriminator, GradientReversal, reverse_gradient
from adapt.losses import domain_adversarial


@pytest.mark.parametrize("scale", [0.0, 0.3, 1.0, 2.5])
def test_forward_is_identity_and_backward_is_minus_scale(scale: float) -> None:
    x = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(4, 3, dtype=torch.float64)
    for reverse in (reverse_gradient, GradientReversal()):
        y = reverse(x, scale)
        assert torch.equal(y, x)
        (gradient,) = torch.autograd.grad((weight * y.square()).sum(), x)
        torch.testing.assert_close(gradient, -scale * 2 * weight * x.detach())


def test_two_reversals_cancel() -> None:
    def twice(x: torch.Tensor) -> torch.Tensor:
        return reverse_gradient(reverse_gradient(x, 0.5), 2.0).square()

    assert torch.autograd.gradcheck(twice, (torch.randn(3, dtype=torch.float64, requires_grad=True),))


def test_discriminator_descends_at_full_strength_while_features_ascend_scaled() -> None:
    torch.manual_seed(0)
    source, target = torch.randn(6, 5, requires_grad=True), torch.randn(8, 5, requires_grad=True)
    discriminator = DomainDiscriminator(5, hidden=16)
    inputs = (source, target, *discriminator.parameters())
    plain = torch.autograd.grad(domain_adversarial(discriminator(source), discriminator(target)), inputs)
    reversed_ = torch.autograd.grad(
        domain_adversarial(*(discriminator(reverse_gradient(x, 0.2)) for x in (source, target))), inputs
    )
    for before, after, factor in zip(plain, reversed_, [-0.2, -0.2] + [1.0] * (len(inputs) - 2), strict=True):
        assert before.abs().max() > 0
        torch.testing.assert_close(after, factor * before)
