"""Batch nuclear norm against NumPy's singular values."""

import math

import numpy as np
import pytest
import torch
from scipy.special import softmax

from adapt.encoding import Encoding
from adapt.errors import AdaptError
from adapt.losses import bnm
from adapt.penalties import BNM


def logits(n: int = 7, k: int = 4) -> torch.Tensor:
    return 3 * torch.randn(n, k, generator=torch.Generator().manual_seed(4), dtype=torch.float64)


@pytest.mark.parametrize(("n", "k"), [(7, 4), (3, 9), (1, 2)])
def test_equals_numpys_nuclear_norm_by_the_batch_size(n: int, k: int) -> None:
    x = logits(n, k)
    expected = -np.linalg.norm(softmax(x.numpy(), axis=1), "nuc") / n
    assert bnm(x).item() == pytest.approx(expected)


def test_it_is_least_for_certain_balanced_predictions_and_greatest_for_uniform_ones() -> None:
    balanced = 1e3 * torch.eye(4)[[0, 1, 2, 3, 0, 1, 2, 3]]
    collapsed = 1e3 * torch.eye(4)[[0] * 8]
    assert bnm(balanced).item() == pytest.approx(-math.sqrt(4 / 8))
    assert bnm(collapsed).item() == pytest.approx(-math.sqrt(1 / 8))
    assert bnm(torch.zeros(8, 4)).item() == pytest.approx(-1 / math.sqrt(4 * 8))


def test_gradient_equals_finite_differences_and_descending_it_decides() -> None:
    x = logits().requires_grad_()
    assert torch.autograd.gradcheck(bnm, (x,))
    (gradient,) = torch.autograd.grad(bnm(x), x)
    stepped = x.detach() - 5 * gradient
    assert bnm(stepped) < bnm(x)
    assert stepped.softmax(1).max(1).values.mean() > x.softmax(1).max(1).values.mean()


def test_gradient_is_finite_where_predictions_coincide_or_are_certain() -> None:
    for x in (torch.zeros(6, 3), torch.ones(2, 5), 1e4 * torch.eye(3)[[0, 0, 1]]):
        x.requires_grad_()
        bnm(x).backward()
        assert x.grad is not None
        assert x.grad.isfinite().all()


def test_order_and_shift_of_the_logits_do_not_matter() -> None:
    torch.testing.assert_close(bnm(logits().flip(0)), bnm(logits()))
    torch.testing.assert_close(bnm(logits() + 100), bnm(logits()))


def test_half_precision_equals_full() -> None:
    x = logits(30, 6).half()
    torch.testing.assert_close(bnm(x).double(), bnm(x.double()), rtol=1e-5, atol=0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(bnm(x.float()).double(), bnm(x.double()), rtol=1e-5, atol=0)


def test_the_penalty_is_the_weighted_loss_of_the_target() -> None:
    source, target = Encoding(torch.zeros(3, 2), torch.zeros(3, 4)), Encoding(torch.zeros(7, 2), logits())
    torch.testing.assert_close(BNM(0.3)(source, target), 0.3 * bnm(logits()))


@pytest.mark.parametrize("shape", [(5,), (0, 5), (2, 3, 4)])
def test_bad_input_is_named(shape: tuple[int, ...]) -> None:
    with pytest.raises(AdaptError, match="logits"):
        bnm(torch.zeros(shape))
