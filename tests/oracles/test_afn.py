"""Adaptive feature norm against NumPy and closed forms."""

import numpy as np
import pytest
import torch

from adapt.encoding import Encoding
from adapt.errors import AdaptError
from adapt.losses import hafn, safn
from adapt.penalties import AFN


def samples() -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(5)
    source = torch.randn(9, 4, generator=draw, dtype=torch.float64)
    return source, 2 * torch.randn(14, 4, generator=draw, dtype=torch.float64) + 1


@pytest.mark.parametrize("step", [1.0, 0.3])
def test_stepwise_is_twice_the_squared_step_with_the_closed_forms_gradient(step: float) -> None:
    source, target = (x.requires_grad_() for x in samples())
    loss = safn(source, target, step=step)
    loss.backward()
    assert loss.item() == pytest.approx(2 * step**2)
    for x in (source, target):
        unit = x.detach() / x.detach().norm(dim=1, keepdim=True)
        assert x.grad is not None
        torch.testing.assert_close(x.grad, -2 * step * unit / len(x))


def test_descending_the_stepwise_term_lengthens_every_feature() -> None:
    source, target = (x.requires_grad_() for x in samples())
    safn(source, target).backward()
    for x in (source, target):
        assert x.grad is not None
        assert ((x - 0.1 * x.grad).norm(dim=1) > x.norm(dim=1)).all()


def test_hard_equals_numpys_mean_norms() -> None:
    source, target = samples()
    s, t = (np.linalg.norm(x.numpy(), axis=1).mean() for x in (source, target))
    assert hafn(source, target, radius=3.0).item() == pytest.approx((s - 3) ** 2 + (t - 3) ** 2)
    assert hafn(source, target).item() == pytest.approx((s - 25) ** 2 + (t - 25) ** 2)


def test_the_hard_gradient_equals_finite_differences_and_draws_to_the_radius_from_both_sides() -> None:
    source, target = (x.requires_grad_() for x in samples())
    assert torch.autograd.gradcheck(lambda s, t: hafn(s, t, radius=3.0), (source, target))
    hafn(source, target, radius=3.0).backward()
    for x in (source, target):
        assert x.grad is not None
        before, after = x.norm(dim=1).mean(), (x - 0.1 * x.grad).norm(dim=1).mean()
        assert abs(after - 3) < abs(before - 3)
    assert samples()[0].norm(dim=1).mean() < 3 < samples()[1].norm(dim=1).mean()


@pytest.mark.parametrize("loss", [safn, hafn])
def test_order_and_rotation_do_not_matter_and_zero_features_have_a_finite_gradient(loss) -> None:
    source, target = samples()
    turn = torch.linalg.qr(torch.randn(4, 4, generator=torch.Generator().manual_seed(1)).double()).Q
    torch.testing.assert_close(loss(source.flip(0) @ turn, target.roll(3, 0) @ turn), loss(source, target))
    zero = torch.zeros(3, 4, requires_grad=True)
    loss(zero, torch.ones(2, 4)).backward()
    assert zero.grad is not None
    assert zero.grad.isfinite().all()


@pytest.mark.parametrize("loss", [safn, hafn])
def test_half_precision_does_not_overflow(loss) -> None:
    source, target = (torch.full((5, 64), value, dtype=torch.float16) for value in (2e4, 3e4))
    torch.testing.assert_close(loss(source, target).double(), loss(source.double(), target.double()), rtol=1e-4, atol=0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = loss(source.float(), target.float()).double()
    torch.testing.assert_close(found, loss(source.double(), target.double()), rtol=1e-4, atol=0)


def test_the_penalty_is_the_weighted_loss_of_both_domains() -> None:
    encodings = [Encoding(x, torch.zeros(len(x), 3)) for x in samples()]
    torch.testing.assert_close(AFN()(*encodings), 0.05 * safn(*samples()))
    torch.testing.assert_close(AFN(0.3, step=2.0)(*encodings), 0.3 * safn(*samples(), step=2.0))
    torch.testing.assert_close(AFN(0.3, "hard", radius=4.0)(*encodings), 0.3 * hafn(*samples(), radius=4.0))


@pytest.mark.parametrize("loss", [safn, hafn])
def test_bad_input_is_named(loss) -> None:
    with pytest.raises(AdaptError, match="one width"):
        loss(torch.zeros(4, 3), torch.zeros(4, 2))
    with pytest.raises(AdaptError, match="at least 1"):
        loss(torch.zeros(0, 3), torch.zeros(4, 3))
