"""CMD against SciPy's central moments."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import expit
from scipy.stats import moment

from adapt.errors import AdaptError
from adapt.losses import cmd
from adapt.losses.squash import Squash


def samples(n: int = 9, m: int = 14, d: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(5)
    source = torch.randn(n, d, generator=draw, dtype=torch.float64)
    return source, 2 * torch.randn(m, d, generator=draw, dtype=torch.float64) + 0.5


def by_scipy(x: Any, y: Any, moments: int, width: float) -> float:
    total = np.linalg.norm(x.mean(0) - y.mean(0)) / width
    for k in range(2, moments + 1):
        total += np.linalg.norm(moment(x, k, axis=0) - moment(y, k, axis=0)) / width**k
    return float(total)


@pytest.mark.parametrize("moments", [1, 2, 5, 7])
@pytest.mark.parametrize(("n", "m", "d"), [(9, 14, 4), (1, 30, 7), (5, 3, 1)])
def test_every_order_equals_scipys_central_moments(moments: int, n: int, m: int, d: int) -> None:
    source, target = samples(n, m, d)
    s, t = source.numpy(), target.numpy()
    found = cmd(source, target, moments=moments)
    assert found.item() == pytest.approx(by_scipy(expit(s), expit(t), moments, 1))
    found = cmd(source, target, moments=moments, squash="tanh")
    assert found.item() == pytest.approx(by_scipy(np.tanh(s), np.tanh(t), moments, 2))
    found = cmd(source, target, moments=moments, squash="none", interval=(-10.0, 20.0))
    assert found.item() == pytest.approx(by_scipy(s, t, moments, 30))


def test_means_alone_differ_between_shifted_copies() -> None:
    source = samples()[0]
    found = cmd(source, source + torch.tensor([3.0, 4.0, 0.0, 0.0]), squash="none", interval=(-5.0, 15.0))
    assert found.item() == pytest.approx(5 / 20)


def test_two_point_distributions_have_their_closed_form() -> None:
    # The ends of [0, 1] with probability q of 1: mean q, variance q(1−q), third moment q(1−q)(1−2q).
    x, y = (torch.tensor([0.0] * zeros + [1.0] * ones)[:, None].double() for zeros, ones in ((1, 1), (3, 1)))
    expected = abs(1 / 2 - 1 / 4) + abs(1 / 4 - 3 / 16) + abs(0 - 3 / 32)
    assert cmd(x, y, moments=3, squash="none", interval=(0.0, 1.0)).item() == pytest.approx(expected)


@pytest.mark.parametrize("squash", ["sigmoid", "tanh", "none"])
def test_gradient_equals_finite_differences_and_is_not_zero(squash: Squash) -> None:
    source, target = (x.requires_grad_() for x in samples())
    interval = (-10.0, 10.0) if squash == "none" else None
    assert torch.autograd.gradcheck(lambda s, t: cmd(s, t, squash=squash, interval=interval), (source, target))
    cmd(source, target, squash=squash, interval=interval).backward()
    for x in (source, target):
        assert x.grad is not None
        assert x.grad.abs().max() > 1e-4


def test_order_of_samples_and_domains_does_not_matter() -> None:
    source, target = samples()
    torch.testing.assert_close(cmd(source.flip(0), target.roll(4, 0)), cmd(source, target))
    torch.testing.assert_close(cmd(target, source), cmd(source, target))


def test_identical_and_coinciding_samples_give_zero_with_zero_gradient() -> None:
    for source in (samples()[0], torch.full((6, 4), 3.0, dtype=torch.float64)):
        source.requires_grad_()
        loss = cmd(source, source.detach().clone())
        loss.backward()
        assert loss.item() == 0
        assert source.grad is not None
        assert torch.equal(source.grad, torch.zeros_like(source))


def test_moments_that_agree_in_some_coordinates_leave_the_gradient_finite() -> None:
    source, target = samples(9, 9)
    target[:, :2] = source[:, :2]
    source.requires_grad_()
    cmd(source, target).backward()
    assert source.grad is not None
    assert torch.isfinite(source.grad).all()


def test_half_precision_equals_full_precision() -> None:
    source, target = (10 * x for x in samples(200, 300))
    expected = cmd(source.half().double(), target.half().double())
    torch.testing.assert_close(cmd(source.half(), target.half()).double(), expected, rtol=1e-4, atol=0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(cmd(source.float(), target.float()).double(), cmd(source, target))


def test_bad_input_is_named() -> None:
    x = torch.zeros(4, 3)
    with pytest.raises(AdaptError, match="one width"):
        cmd(x, torch.zeros(4, 2))
    with pytest.raises(AdaptError, match="at least 1, found 0"):
        cmd(x, x, moments=0)
    with pytest.raises(AdaptError, match="leave out `interval`"):
        cmd(x, x, interval=(0.0, 1.0))
    with pytest.raises(AdaptError, match="a < b, found None"):
        cmd(x, x, squash="none")
    with pytest.raises(AdaptError, match=r"in \[0.0, 1.0\], found 0 to 7"):
        cmd(x, x + 7, squash="none", interval=(0.0, 1.0))
    with pytest.raises(AdaptError, match="relu"):
        cmd(x, x, squash="relu")  # type: ignore[arg-type]
