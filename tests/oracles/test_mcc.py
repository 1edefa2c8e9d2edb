"""Minimum class confusion against the paper's sums, written out in NumPy."""

import numpy as np
import pytest
import torch
from scipy.special import softmax
from scipy.stats import entropy

from adapt.encoding import Encoding
from adapt.errors import AdaptError
from adapt.losses import mcc
from adapt.penalties import MCC


def logits(n: int = 7, k: int = 4) -> torch.Tensor:
    return 3 * torch.randn(n, k, generator=torch.Generator().manual_seed(4), dtype=torch.float64)


def by_hand(x: np.ndarray, temperature: float) -> float:
    p = softmax(x / temperature, axis=1)
    n, k = p.shape
    certainty = 1 + np.exp(-entropy(p, axis=1))
    weight = n * certainty / certainty.sum()
    loss = 0.0
    for j in range(k):
        row = [sum(weight[i] * p[i, j] * p[i, other] for i in range(n)) for other in range(k)]
        loss += sum(row[other] / sum(row) for other in range(k) if other != j)
    return loss / k


@pytest.mark.parametrize(("n", "k", "temperature"), [(7, 4, 2.5), (3, 9, 1.0), (1, 2, 0.5)])
def test_equals_the_papers_sums(n: int, k: int, temperature: float) -> None:
    x = logits(n, k)
    assert mcc(x, temperature=temperature).item() == pytest.approx(by_hand(x.numpy(), temperature))


def test_the_default_temperature_is_the_papers() -> None:
    assert mcc(logits()).item() == pytest.approx(by_hand(logits().numpy(), 2.5))


def test_certain_samples_have_no_confusion_and_uniform_ones_all_of_it() -> None:
    certain = 1e3 * torch.eye(4)[[0, 1, 1, 2, 3]]
    assert mcc(certain).item() == pytest.approx(0, abs=1e-6)
    assert mcc(torch.zeros(5, 4)).item() == pytest.approx(1 - 1 / 4)


def test_no_gradient_passes_through_the_weights() -> None:
    x = logits().requires_grad_()
    (found,) = torch.autograd.grad(mcc(x), x)
    p = torch.softmax(x.detach() / 2.5, 1)
    certainty = 1 + torch.exp((p * p.log()).sum(1))
    fixed = len(p) * certainty / certainty.sum()

    def with_fixed_weights(z: torch.Tensor) -> torch.Tensor:
        q = torch.softmax(z / 2.5, 1)
        confusion = torch.einsum("i,ij,ik->jk", fixed, q, q)
        return 1 - (confusion.diagonal() / confusion.sum(1)).mean()

    (expected,) = torch.autograd.grad(with_fixed_weights(x), x)
    torch.testing.assert_close(found, expected)
    assert torch.autograd.gradcheck(with_fixed_weights, (x,))


def test_descending_it_makes_the_decided_class_surer() -> None:
    x = logits().requires_grad_()
    loss = mcc(x)
    (gradient,) = torch.autograd.grad(loss, x)
    stepped = x.detach() - 5 * gradient
    assert mcc(stepped) < loss
    assert stepped.softmax(1).max(1).values.mean() > x.softmax(1).max(1).values.mean()


def test_order_and_shift_of_the_logits_do_not_matter() -> None:
    torch.testing.assert_close(mcc(logits().flip(0)), mcc(logits()))
    torch.testing.assert_close(mcc(logits() + 100), mcc(logits()))


def test_a_class_that_no_sample_could_be_leaves_value_and_gradient_finite() -> None:
    x = torch.tensor([[500.0, 0.0, -1e4], [0.0, 500.0, -1e4]], requires_grad=True)
    loss = mcc(x)
    loss.backward()
    assert loss.item() == 0
    assert x.grad is not None
    assert x.grad.isfinite().all()


def test_half_precision_equals_full() -> None:
    x = logits(300, 6).half()
    torch.testing.assert_close(mcc(x).double(), mcc(x.double()), rtol=1e-5, atol=0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(mcc(x.float()).double(), mcc(x.double()), rtol=1e-5, atol=0)


def test_the_penalty_is_the_weighted_loss_of_the_target() -> None:
    source, target = Encoding(torch.zeros(3, 2), torch.zeros(3, 4)), Encoding(torch.zeros(7, 2), logits())
    found = MCC(0.3, temperature=1.5)(source, target)
    torch.testing.assert_close(found, 0.3 * mcc(logits(), temperature=1.5))


def test_bad_input_is_named() -> None:
    with pytest.raises(AdaptError, match="logits"):
        mcc(torch.zeros(5))
    with pytest.raises(AdaptError, match="temperature above 0"):
        mcc(torch.zeros(5, 2), temperature=0.0)
