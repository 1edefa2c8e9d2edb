"""HoMM against moment tensors that np.einsum forms entry by entry."""

from typing import Any

import numpy as np
import pytest
import torch

from adapt.errors import AdaptError
from adapt.losses import coral, homm

TENSORS = {1: "ni->i", 2: "ni,nj->ij", 3: "ni,nj,nk->ijk", 4: "ni,nj,nk,nl->ijkl"}


def samples(n: int = 9, m: int = 14, d: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(5)
    source = torch.randn(n, d, generator=draw, dtype=torch.float64)
    return source, 2 * torch.randn(m, d, generator=draw, dtype=torch.float64) + 0.5


def tensor(x: Any, order: int) -> Any:
    return np.einsum(TENSORS[order], *order * [x]) / len(x)


@pytest.mark.parametrize("order", TENSORS)
@pytest.mark.parametrize(("n", "m", "d"), [(9, 14, 4), (2, 30, 5), (5, 3, 1)])
def test_every_order_equals_einsums_tensors_over_d_to_the_order(order: int, n: int, m: int, d: int) -> None:
    source, target = samples(n, m, d)
    s, t = source.numpy(), target.numpy()
    for squash, f in (("tanh", np.tanh), ("none", lambda x: x)):
        expected = ((tensor(f(s), order) - tensor(f(t), order)) ** 2).sum() / d**order
        assert homm(source, target, order=order, squash=squash).item() == pytest.approx(expected)
        if order > 1:
            s0, t0 = f(s) - f(s).mean(0), f(t) - f(t).mean(0)
            expected = ((tensor(s0, order) - tensor(t0, order)) ** 2).mean()
            found = homm(source, target, order=order, squash=squash, center=True)
            assert found.item() == pytest.approx(expected, abs=1e-13)


@pytest.mark.parametrize("order", [1, 3, 4])
def test_drawn_entries_equal_einsums_at_the_same_indices(order: int) -> None:
    source, target = samples()
    indices = torch.randint(4, (50, order), generator=torch.Generator().manual_seed(1)).numpy()
    gap = tensor(np.tanh(source.numpy()), order) - tensor(np.tanh(target.numpy()), order)
    expected = np.mean([gap[tuple(index)] ** 2 for index in indices])
    found = homm(source, target, order=order, samples=50, generator=torch.Generator().manual_seed(1))
    assert found.item() == pytest.approx(expected)


def test_drawn_entries_estimate_the_whole_tensor_and_reach_its_every_index() -> None:
    source, target = samples(d=3)
    drawn = homm(source, target, samples=200_000, generator=torch.Generator().manual_seed(0))
    assert drawn.item() == pytest.approx(homm(source, target).item(), rel=0.02)
    source = source.requires_grad_()
    homm(source, target, samples=200, generator=torch.Generator().manual_seed(0)).backward()
    assert source.grad is not None
    assert (source.grad.abs().amax(0) > 0).all()


def test_order_two_is_coral_up_to_the_covariances_divisor() -> None:
    source, target = samples(12, 12)
    expected = 4 * coral(source, target) * (11 / 12) ** 2
    torch.testing.assert_close(homm(source, target, order=2, center=True, squash="none"), expected)


def test_odd_orders_see_the_sign_that_even_ones_do_not() -> None:
    source = samples()[0].abs()
    assert homm(source, -source, order=2).item() == pytest.approx(0, abs=1e-12)
    assert homm(source, -source, order=3) > 1e-2


@pytest.mark.parametrize("options", [{}, {"center": True}, {"order": 4}, {"samples": 30}])
def test_gradient_equals_finite_differences_and_is_not_zero(options: dict[str, Any]) -> None:
    source, target = (x.requires_grad_() for x in samples())

    def loss(s: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return homm(s, t, generator=torch.Generator().manual_seed(0), **options)

    assert torch.autograd.gradcheck(loss, (source, target))
    loss(source, target).backward()
    for x in (source, target):
        assert x.grad is not None
        assert x.grad.abs().max() > 1e-4


def test_order_of_samples_and_domains_does_not_matter() -> None:
    source, target = samples()
    torch.testing.assert_close(homm(source.flip(0), target.roll(4, 0)), homm(source, target))
    torch.testing.assert_close(homm(target, source), homm(source, target))


@pytest.mark.parametrize("options", [{}, {"samples": 30}])
def test_identical_domains_give_zero_with_zero_gradient(options: dict[str, Any]) -> None:
    source = samples()[0].requires_grad_()
    loss = homm(source, source.detach().clone(), **options)
    loss.backward()
    assert loss.item() == 0
    assert source.grad is not None
    torch.testing.assert_close(source.grad, torch.zeros_like(source))


def test_half_precision_does_not_overflow() -> None:
    source, target = (100 * x for x in samples(200, 300, 8))
    for options in ({"squash": "none"}, {"squash": "none", "center": True}, {}):
        expected = homm(source.half().double(), target.half().double(), **options)
        torch.testing.assert_close(homm(source.half(), target.half(), **options).double(), expected, rtol=1e-3, atol=0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = homm(source.float(), target.float()).double()
    torch.testing.assert_close(found, homm(source, target), rtol=1e-4, atol=0)


def test_bad_input_is_named() -> None:
    x = torch.zeros(4, 3)
    with pytest.raises(AdaptError, match="one width"):
        homm(x, torch.zeros(4, 2))
    with pytest.raises(AdaptError, match="order expects"):
        homm(x, x, order=0)
    with pytest.raises(AdaptError, match="at least 2 with center=True"):
        homm(x, x, order=1, center=True)
    with pytest.raises(AdaptError, match="None for all, found 0"):
        homm(x, x, samples=0)
    with pytest.raises(AdaptError, match="relu"):
        homm(x, x, squash="relu")  # type: ignore[arg-type]
