"""Margin disparity discrepancy against NumPy."""

import numpy as np
import pytest
import torch
from scipy.special import softmax

from adapt.errors import AdaptError
from adapt.losses import mdd


def logits(n: int = 5, m: int = 9, k: int = 4) -> tuple[torch.Tensor, ...]:
    draw = torch.Generator().manual_seed(8)
    return tuple(2 * torch.randn(size, k, generator=draw, dtype=torch.float64) for size in (n, n, m, m))


@pytest.mark.parametrize("k", [2, 4])
@pytest.mark.parametrize("margin", [1.0, 4.0])
def test_equals_numpys_probabilities(k: int, margin: float) -> None:
    values = logits(k=k)
    source, source_adversary, target, target_adversary = (x.numpy() for x in values)
    agree = np.take_along_axis(softmax(source_adversary, axis=1), source.argmax(1)[:, None], 1)
    same = np.take_along_axis(softmax(target_adversary, axis=1), target.argmax(1)[:, None], 1)
    expected = np.log(1 - same).mean() + margin * np.log(agree).mean()
    assert mdd(*values, margin=margin).item() == pytest.approx(expected)


def test_is_highest_where_the_head_agrees_on_the_source_and_disagrees_on_the_target() -> None:
    source, _, target, _ = logits()
    best = mdd(source, 1e3 * source, target, -1e3 * target)
    assert best.item() == pytest.approx(0, abs=1e-9)
    assert all(mdd(*values) < best for values in (logits(), (source, source, target, target)))


def test_gradient_equals_finite_differences_and_ascent_agrees_on_source_and_disagrees_on_target() -> None:
    source, source_adversary, target, target_adversary = (x.requires_grad_() for x in logits())
    fixed = (source.detach(), target.detach())
    assert torch.autograd.gradcheck(lambda a, b: mdd(fixed[0], a, fixed[1], b), (source_adversary, target_adversary))
    mdd(source, source_adversary, target, target_adversary).backward()
    assert source.grad is None
    assert target.grad is None
    assert source_adversary.grad is not None
    assert target_adversary.grad is not None
    assert (source_adversary.grad.gather(1, source.argmax(1)[:, None]) > 0).all()
    assert (target_adversary.grad.gather(1, target.argmax(1)[:, None]) < 0).all()


def test_a_head_that_agrees_with_certainty_still_has_a_gradient_and_a_bounded_value() -> None:
    source, source_adversary, target, _ = (x.float() for x in logits())
    certain = (20 * torch.nn.functional.one_hot(target.argmax(1), 4)).float().requires_grad_()
    assert (certain.softmax(1).amax(1) == 1).any()
    value = mdd(source, source_adversary, target, certain)
    value.backward()
    assert value.isfinite()
    assert certain.grad is not None
    assert certain.grad.abs().sum(1).min() > 0.1 / len(target)
    assert mdd(source, source_adversary, target, 100 * certain) > -101 - 4 * 20


def test_order_of_samples_does_not_matter() -> None:
    source, source_adversary, target, target_adversary = logits()
    moved = mdd(source.flip(0), source_adversary.flip(0), target.roll(2, 0), target_adversary.roll(2, 0))
    torch.testing.assert_close(moved, mdd(source, source_adversary, target, target_adversary))


def test_half_precision_is_computed_in_full() -> None:
    values = tuple(x.half() for x in logits())
    torch.testing.assert_close(mdd(*values).double(), mdd(*(x.double() for x in values)), rtol=1e-5, atol=0)


def test_bad_input_is_named() -> None:
    good = torch.zeros(4, 3)
    with pytest.raises(AdaptError, match="at least 2 classes"):
        mdd(*(torch.zeros(4, 1) for _ in range(4)))
    with pytest.raises(AdaptError, match=r"\(5, 3\)"):
        mdd(good, torch.zeros(5, 3), good, good)
    with pytest.raises(AdaptError, match="positive margin"):
        mdd(good, good, good, good, margin=0.0)
