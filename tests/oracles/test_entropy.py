"""Entropy against SciPy."""

import math

import pytest
import torch
from scipy.special import softmax
from scipy.stats import entropy as scipy_entropy

from adapt.errors import AdaptError
from adapt.losses import entropy


def logits() -> torch.Tensor:
    return 3 * torch.randn(7, 5, generator=torch.Generator().manual_seed(4), dtype=torch.float64)


def test_equals_scipys_mean_in_nats() -> None:
    x = logits()
    assert entropy(x).item() == pytest.approx(scipy_entropy(softmax(x.numpy(), axis=1), axis=1).mean())


def test_uniform_is_log_of_the_classes_and_certain_is_zero() -> None:
    assert entropy(torch.zeros(3, 8)).item() == pytest.approx(math.log(8))
    certain = torch.tensor([[1e4, 0.0, -1e4]], requires_grad=True)
    value = entropy(certain)
    value.backward()
    assert value.item() == 0
    assert certain.grad is not None
    assert certain.grad.isfinite().all()


def test_a_shift_of_all_logits_changes_nothing() -> None:
    torch.testing.assert_close(entropy(logits() + 1000), entropy(logits()))


def test_gradient_equals_finite_differences_and_descending_it_decides() -> None:
    x = logits().requires_grad_()
    assert torch.autograd.gradcheck(entropy, (x,))
    (gradient,) = torch.autograd.grad(entropy(x), x)
    assert entropy(x - gradient) < entropy(x)


@pytest.mark.parametrize("shape", [(5,), (0, 5), (2, 3, 4)])
def test_bad_input_is_named(shape: tuple[int, ...]) -> None:
    with pytest.raises(AdaptError, match="logits"):
        entropy(torch.zeros(shape))
