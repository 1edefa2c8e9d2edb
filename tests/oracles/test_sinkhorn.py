"""The entropic transport cost against POT."""

import numpy as np
import ot
import pytest
import torch

from adapt.errors import AdaptError
from adapt.losses import sinkhorn


def samples(n: int, m: int, d: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(4)
    x = torch.randn(n, d, generator=draw, dtype=torch.float64)
    return x, 1.5 * torch.randn(m, d, generator=draw, dtype=torch.float64) + 0.7


def pots_cost(x: torch.Tensor, y: torch.Tensor, width: float) -> float:
    cost = ot.dist(x.numpy(), y.numpy())
    weights = [np.full(len(part), 1 / len(part)) for part in (x, y)]
    plan = ot.sinkhorn(*weights, cost, width, method="sinkhorn_log", numItermax=20_000, stopThr=1e-13)
    return float((plan * cost).sum())


@pytest.mark.parametrize(("n", "m"), [(9, 9), (7, 12), (1, 5)])
@pytest.mark.parametrize("entropy", [1.0, 0.1])
def test_it_is_pots_cost_of_the_entropic_plan(n: int, m: int, entropy: float) -> None:
    x, y = samples(n, m)
    width = entropy * ot.dist(x.numpy(), y.numpy()).mean()
    assert sinkhorn(x, y, entropy=entropy).item() == pytest.approx(pots_cost(x, y, width), rel=1e-5)


def test_debiased_it_subtracts_the_costs_to_themselves_and_is_0_between_equal_batches() -> None:
    x, y = samples(8, 11)
    width = 0.3 * ot.dist(x.numpy(), y.numpy()).mean()
    own = (pots_cost(x, x, width) + pots_cost(y, y, width)) / 2
    found = sinkhorn(x, y, entropy=0.3, debiased=True).item()
    assert found == pytest.approx(pots_cost(x, y, width) - own, rel=1e-4)
    assert sinkhorn(x, x, entropy=0.3, debiased=True).item() == pytest.approx(0, abs=1e-12)
    assert sinkhorn(x, x, entropy=0.3).item() > 0.1


def test_with_little_entropy_it_is_the_exact_cost() -> None:
    x, y = samples(6, 6)
    exact = ot.emd2([], [], ot.dist(x.numpy(), y.numpy()))
    assert sinkhorn(x, y, entropy=0.002).item() == pytest.approx(exact, rel=0.02)


def test_the_gradient_is_that_of_the_cost_under_the_plan() -> None:
    x, y = samples(5, 7)
    x.requires_grad_()
    sinkhorn(x, y, entropy=0.1).backward()
    cost = ot.dist(x.detach().numpy(), y.numpy())
    plan = ot.sinkhorn(
        np.full(5, 1 / 5), np.full(7, 1 / 7), cost, 0.1 * cost.mean(), method="sinkhorn_log", stopThr=1e-13
    )
    expected = 2 * (x.detach().numpy() * plan.sum(1, keepdims=True) - plan @ y.numpy())
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), expected, rtol=1e-4, atol=1e-7)


def test_identical_points_have_no_cost_and_bad_input_is_named() -> None:
    x = torch.ones(4, 2, requires_grad=True)
    loss = sinkhorn(x, torch.ones(3, 2))
    loss.backward()
    assert loss.item() == 0
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()
    with pytest.raises(AdaptError, match="one width"):
        sinkhorn(x, torch.ones(3, 3))
    with pytest.raises(AdaptError, match="entropy above 0, found 0"):
        sinkhorn(x, x, entropy=0)
