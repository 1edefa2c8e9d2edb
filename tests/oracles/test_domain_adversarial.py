"""The domain loss against scikit-learn's log loss and closed forms."""

import math

import pytest
import torch
from scipy.special import expit
from sklearn.metrics import log_loss

from adapt.errors import AdaptError
from adapt.losses import domain_adversarial


def logits(n: int = 5, m: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(2)
    return 3 * torch.randn(n, generator=draw, dtype=torch.float64), torch.randn(m, generator=draw, dtype=torch.float64)


def test_equals_the_mean_of_both_domains_log_losses_with_source_as_one() -> None:
    source, target = logits()
    source_loss = log_loss([1] * 5, expit(source.numpy()), labels=[0, 1])
    target_loss = log_loss([0] * 12, expit(target.numpy()), labels=[0, 1])
    assert domain_adversarial(source, target).item() == pytest.approx((source_loss + target_loss) / 2)


def test_column_of_logits_equals_vector() -> None:
    source, target = logits()
    torch.testing.assert_close(domain_adversarial(source[:, None], target[:, None]), domain_adversarial(source, target))


def test_undecided_is_log_2_and_certain_errors_stay_finite() -> None:
    assert domain_adversarial(torch.zeros(3), torch.zeros(7)).item() == pytest.approx(math.log(2))
    assert domain_adversarial(torch.full((3,), -1e4), torch.full((7,), 1e4)).item() == pytest.approx(1e4)
    assert domain_adversarial(torch.full((3,), 1e4), torch.full((7,), -1e4)).item() == 0


def test_each_domain_weighs_half_whatever_its_size() -> None:
    source, target = logits()
    torch.testing.assert_close(domain_adversarial(source.repeat(9), target), domain_adversarial(source, target))


def test_gradient_equals_finite_differences_and_pulls_source_up_and_target_down() -> None:
    source, target = (x.requires_grad_() for x in logits())
    assert torch.autograd.gradcheck(domain_adversarial, (source, target))
    domain_adversarial(source, target).backward()
    assert source.grad is not None
    assert target.grad is not None
    assert (source.grad < 0).all()
    assert (target.grad > 0).all()


@pytest.mark.parametrize("shape", [(4, 2), (0,), (4, 1, 1), ()])
def test_more_or_less_than_one_logit_per_sample_is_named(shape: tuple[int, ...]) -> None:
    with pytest.raises(AdaptError, match="one logit per target sample"):
        domain_adversarial(torch.zeros(4), torch.zeros(shape))


@pytest.mark.parametrize("smoothing", [0.1, 0.3])
def test_smoothing_is_the_log_loss_against_softened_labels(smoothing: float) -> None:
    source, target = logits()
    p, q = expit(source.numpy()), expit(target.numpy())
    # The expected log loss of a label that is right with probability 1 − ε.
    right = log_loss([1] * 5, p, labels=[0, 1]), log_loss([0] * 12, q, labels=[0, 1])
    wrong = log_loss([0] * 5, p, labels=[0, 1]), log_loss([1] * 12, q, labels=[0, 1])
    expected = sum((1 - smoothing) * r + smoothing * w for r, w in zip(right, wrong, strict=True)) / 2
    assert domain_adversarial(source, target, smoothing=smoothing).item() == pytest.approx(expected)


def test_smoothing_has_its_minimum_at_the_softened_label_and_works_with_weights() -> None:
    best = math.log(0.8 / 0.2)
    source, target = torch.full((3,), best, requires_grad=True), torch.full((4,), -best, requires_grad=True)
    weights = (torch.tensor([0.5, 1.0, 2.0]), torch.ones(4))
    domain_adversarial(source, target, smoothing=0.2, weights=weights).backward()
    assert source.grad is not None
    assert source.grad.abs().max() < 1e-7
    assert torch.equal(domain_adversarial(source, target, smoothing=0.0), domain_adversarial(source, target))


@pytest.mark.parametrize("smoothing", [-0.1, 0.5])
def test_smoothing_out_of_range_is_named(smoothing: float) -> None:
    with pytest.raises(AdaptError, match=r"in \[0, 0.5\)"):
        domain_adversarial(torch.zeros(3), torch.zeros(3), smoothing=smoothing)
