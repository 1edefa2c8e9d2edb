"""Transport plans against linear programming and Sinkhorn's fixed point, and POT's own barycentric map."""

import sys

import numpy as np
import ot
import pytest
import torch
from scipy.optimize import linprog
from scipy.spatial.distance import cdist

from adapt.errors import AdaptError
from adapt.losses import barycentric_map, nearest_shift, transport_plan


def samples(n: int = 5, m: int = 7, d: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(5)
    source = torch.randn(n, d, generator=draw, dtype=torch.float64)
    return source, torch.randn(m, d, generator=draw, dtype=torch.float64) + 2


def costs(source: torch.Tensor, target: torch.Tensor) -> np.ndarray:
    cost = cdist(source.numpy(), target.numpy(), "sqeuclidean")
    return cost / torch.from_numpy(cost).median().item()


def test_the_exact_plan_costs_what_linear_programming_finds() -> None:
    source, target = samples()
    cost = costs(source, target)
    rows = np.kron(np.eye(5), np.ones(7)), np.kron(np.ones(5), np.eye(7))
    best = linprog(cost.ravel(), A_eq=np.vstack(rows), b_eq=np.r_[np.full(5, 1 / 5), np.full(7, 1 / 7)])
    found = transport_plan(source, target, plan="emd").numpy()
    assert (found * cost).sum() == pytest.approx(best.fun)
    np.testing.assert_allclose(found.sum(0), 1 / 7)
    np.testing.assert_allclose(found.sum(1), 1 / 5)


def test_the_entropic_plan_is_sinkhorns_fixed_point() -> None:
    source, target = samples()
    kernel = np.exp(-costs(source, target) / 0.2)
    v = np.ones(7)
    for _ in range(5000):
        u = 1 / 5 / (kernel @ v)
        v = 1 / 7 / (kernel.T @ u)
    found = transport_plan(source, target, entropy=0.2).numpy()
    np.testing.assert_allclose(found, u[:, None] * kernel * v, atol=1e-6)


def test_little_entropy_is_near_the_exact_plan_and_much_is_none_at_all() -> None:
    source, target = samples()
    cost = costs(source, target)
    exact, near = (
        (transport_plan(source, target, plan=p, entropy=0.02).numpy() * cost).sum() for p in ("emd", "sinkhorn")
    )
    assert exact <= near < 1.05 * exact
    assert (transport_plan(source, target, entropy=1e4) - 1 / 35).abs().max() < 1e-5


def test_the_group_lasso_sends_each_target_sample_mass_of_fewer_classes() -> None:
    source, target = samples(12, 9)
    y = torch.arange(12) % 3

    def purity(plan: torch.Tensor) -> float:
        by_class = torch.stack([plan[y == k].sum(0) for k in range(3)])
        return float((by_class.max(0).values / by_class.sum(0)).mean())

    plain = transport_plan(source, target, entropy=0.5)
    none = transport_plan(source, target, y, plan="group_lasso", entropy=0.5, group=0.0)
    torch.testing.assert_close(none, plain, atol=1e-5, rtol=1e-3)
    assert purity(transport_plan(source, target, y, plan="group_lasso", entropy=0.5, group=0.5)) > purity(plain) + 0.1


def test_the_barycentric_map_and_its_extension_are_pots() -> None:
    source, target = samples()
    transport = ot.da.EMDTransport(norm="median").fit(Xs=source.numpy(), Xt=target.numpy())
    moved = barycentric_map(transport_plan(source, target, plan="emd"), target)
    np.testing.assert_allclose(moved.numpy(), transport.transform(Xs=source.numpy()), atol=1e-9)
    fresh, _ = samples(11)
    fresh = fresh.flip(0) * 1.3
    found = nearest_shift(fresh, source, moved)
    np.testing.assert_allclose(found.numpy(), transport.transform(Xs=fresh.numpy()), atol=1e-9)
    torch.testing.assert_close(nearest_shift(source, source, moved), moved)


def test_a_plan_does_not_depend_on_units_or_on_a_common_shift() -> None:
    source, target = samples()
    for plan in ("emd", "sinkhorn"):
        expected = transport_plan(source, target, plan=plan)  # type: ignore[arg-type]
        torch.testing.assert_close(transport_plan(7 * source - 3, 7 * target - 3, plan=plan), expected)  # type: ignore[arg-type]


def test_bad_input_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = samples()
    with pytest.raises(AdaptError, match=r"expects y \(5,\) for 'group_lasso', found none"):
        transport_plan(source, target, plan="group_lasso")
    with pytest.raises(AdaptError, match="entropy > 0"):
        transport_plan(source, target, entropy=0.0)
    with pytest.raises(AdaptError, match="found 'exact'"):
        transport_plan(source, target, plan="exact")  # type: ignore[arg-type]
    with pytest.raises(AdaptError, match="raise entropy above 1e-07"):
        transport_plan(source, target, entropy=1e-7)
    monkeypatch.setitem(sys.modules, "ot", None)
    with pytest.raises(AdaptError, match="needs POT"):
        transport_plan(source, target)
