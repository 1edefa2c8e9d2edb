"""ADDA's loss of the target encoder against scikit-learn."""

import math

import pytest
import torch
from scipy.special import expit
from sklearn.metrics import log_loss

from adapt.errors import AdaptError
from adapt.losses import adda, domain_adversarial


def logits() -> torch.Tensor:
    return 3 * torch.randn(7, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def test_equals_the_log_loss_of_the_inverted_label() -> None:
    x = logits()
    assert adda(x).item() == pytest.approx(log_loss([1] * 7, expit(x.numpy()), labels=[0, 1]))
    torch.testing.assert_close(adda(x[:, None]), adda(x))
    torch.testing.assert_close(adda(x.flip(0)), adda(x))


def test_undecided_is_log_2_and_certain_errors_stay_finite() -> None:
    assert adda(torch.zeros(3)).item() == pytest.approx(math.log(2))
    assert adda(torch.full((3,), -1e4)).item() == pytest.approx(1e4)
    assert adda(torch.full((3,), 1e4)).item() == 0


def test_gradient_equals_finite_differences_and_opposes_the_discriminator_s_on_every_sample() -> None:
    x = logits().requires_grad_()
    assert torch.autograd.gradcheck(adda, (x,))
    (ours,) = torch.autograd.grad(adda(x), x)
    (discriminators,) = torch.autograd.grad(domain_adversarial(torch.zeros(4, dtype=torch.float64), x), x)
    assert (ours < 0).all()
    assert (discriminators > 0).all()


def test_the_gradient_is_full_where_the_discriminator_is_sure_and_the_reversed_loss_s_is_gone() -> None:
    sure = torch.full((1,), -20.0, requires_grad=True)
    (ours,) = torch.autograd.grad(adda(sure), sure)
    (reversed_,) = torch.autograd.grad(-domain_adversarial(torch.zeros(1), sure), sure)
    assert ours.item() == pytest.approx(-1)
    assert abs(reversed_.item()) < 1e-8


@pytest.mark.parametrize("shape", [(4, 2), (0,), (4, 1, 1)])
def test_more_or_less_than_one_logit_per_sample_is_named(shape: tuple[int, ...]) -> None:
    with pytest.raises(AdaptError, match="one logit per target sample"):
        adda(torch.zeros(shape))
