"""The sliced Wasserstein distance against POT and closed forms."""

import numpy as np
import ot
import pytest
import torch

from adapt.errors import AdaptError
from adapt.losses import sliced_wasserstein

L = 11


def samples(n: int = 9, m: int = 14, d: int = 4) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(5)
    x = torch.randn(n, d, generator=draw, dtype=torch.float64)
    y = 2 * torch.randn(m, d, generator=draw, dtype=torch.float64) + 0.5
    return x, y, torch.nn.functional.normalize(torch.randn(d, L, generator=draw, dtype=torch.float64), dim=0)


@pytest.mark.parametrize(("n", "m", "d"), [(9, 14, 4), (8, 8, 3), (6, 12, 5), (1, 7, 2), (64, 50, 1)])
def test_it_is_the_square_of_pots_distance_on_the_same_directions(n: int, m: int, d: int) -> None:
    x, y, directions = samples(n, m, d)
    expected = ot.sliced_wasserstein_distance(x.numpy(), y.numpy(), projections=directions.numpy(), p=2) ** 2
    assert sliced_wasserstein(x, y, projections=directions).item() == pytest.approx(expected)


def test_in_one_dimension_it_is_the_wasserstein_distance_by_hand() -> None:
    # F⁻¹ is 0 up to ½ and then 1; G⁻¹ is 0, 1, 2 on thirds: they differ by 1 on [1/3, 1/2] and on [2/3, 1].
    x, y = torch.tensor([[1.0], [0.0]]), torch.tensor([[2.0], [0.0], [1.0]])
    assert sliced_wasserstein(x, y, projections=3).item() == pytest.approx(1 / 6 + 1 / 3)


def test_a_shift_costs_its_squared_norm_over_the_width() -> None:
    x = samples()[0]
    shift = torch.tensor([1.0, -2.0, 0.0, 2.0], dtype=torch.float64)
    basis = torch.linalg.qr(torch.randn(4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)).Q
    assert sliced_wasserstein(x, x + shift, projections=basis).item() == pytest.approx(9 / 4)
    drawn = sliced_wasserstein(x, x + shift, projections=50_000, generator=torch.Generator().manual_seed(0))
    assert drawn.item() == pytest.approx(9 / 4, rel=0.02)


def test_directions_are_drawn_anew_from_the_generator_that_is_given() -> None:
    x, y, _ = samples()
    draw = torch.Generator().manual_seed(1)
    one, two = (sliced_wasserstein(x, y, projections=5, generator=draw) for _ in range(2))
    again = sliced_wasserstein(x, y, projections=5, generator=torch.Generator().manual_seed(1))
    assert one == again
    assert one != two


def test_gradient_equals_finite_differences_and_is_not_zero() -> None:
    x, y, directions = samples()
    x.requires_grad_()
    y.requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: sliced_wasserstein(a, b, projections=directions), (x, y))
    sliced_wasserstein(x, y, projections=directions).backward()
    for part in (x, y):
        assert part.grad is not None
        assert part.grad.abs().max() > 1e-3


def test_every_sample_is_reached_where_the_numbers_differ() -> None:
    x, y, directions = samples(7, 30)
    y.requires_grad_()
    sliced_wasserstein(x, y, projections=directions).backward()
    assert y.grad is not None
    assert (y.grad.abs().amax(1) > 0).all()


def test_order_of_samples_and_domains_does_not_matter() -> None:
    x, y, directions = samples()
    expected = sliced_wasserstein(x, y, projections=directions)
    torch.testing.assert_close(sliced_wasserstein(x.flip(0), y.roll(4, 0), projections=directions), expected)
    torch.testing.assert_close(sliced_wasserstein(y, x, projections=directions), expected)


def test_identical_and_repeated_samples_give_zero_with_zero_gradient() -> None:
    x, _, directions = samples()
    for other in (x.clone(), x.repeat(3, 1)):
        part = x.clone().requires_grad_()
        loss = sliced_wasserstein(part, other, projections=directions)
        loss.backward()
        assert loss.item() == pytest.approx(0, abs=1e-28)
        assert part.grad is not None
        torch.testing.assert_close(part.grad, torch.zeros_like(part))


def test_half_precision_does_not_overflow() -> None:
    x, y, directions = samples(200, 300)
    x, y = 100 * x, 100 * y
    expected = sliced_wasserstein(x.half().double(), y.half().double(), projections=directions)
    found = sliced_wasserstein(x.half(), y.half(), projections=directions)
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = sliced_wasserstein(x.float(), y.float(), projections=directions)
    expected = sliced_wasserstein(x, y, projections=directions)
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=0)


def test_bad_input_is_named() -> None:
    x = torch.zeros(4, 3)
    with pytest.raises(AdaptError, match="one width"):
        sliced_wasserstein(x, torch.zeros(4, 2))
    with pytest.raises(AdaptError, match="at least 1 projection, found 0"):
        sliced_wasserstein(x, x, projections=0)
    with pytest.raises(AdaptError, match=r"\(3, L\) for points of width 3, found \(2, 5\)"):
        sliced_wasserstein(x, x, projections=torch.zeros(2, 5))


def test_drawn_directions_are_uniform_on_the_sphere() -> None:
    # A point mass at v against one at 0 costs E⟨θ, v⟩² = ‖v‖²/d whatever the direction of v, and never more than ‖v‖².
    origin = torch.zeros(1, 3)
    for v in torch.eye(3):
        draw = torch.Generator().manual_seed(2)
        costs = [sliced_wasserstein(3 * v[None], origin, projections=1, generator=draw).item() for _ in range(2000)]
        assert max(costs) <= 9 + 1e-5
        assert np.mean(costs) == pytest.approx(3, rel=0.1)
