"""DeepJDOT against SciPy: the cost entry by entry, and the plan by linear programming."""

import sys
from itertools import permutations
from typing import Any

import numpy as np
import ot
import pytest
import torch
from scipy.optimize import linprog
from scipy.spatial.distance import cdist
from scipy.special import log_softmax
from torch import Tensor

from adapt.errors import AdaptError
from adapt.losses import deepjdot
from adapt.losses.deepjdot import joint_cost
from adapt.methods import DeepJDOT
from tests.toy import build

N, M, D, K = 6, 9, 5, 3
WEIGHTS = {"alpha": 0.3, "label_weight": 0.7}


def samples(n: int = N, m: int = M) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(3)
    source = torch.randn(n, D, generator=draw, dtype=torch.float64)
    target = 1.5 * torch.randn(m, D, generator=draw, dtype=torch.float64) + 0.5
    return source, target, torch.arange(n) % K, 2 * torch.randn(m, K, generator=draw, dtype=torch.float64)


def by_scipy(source: Tensor, target: Tensor, y: Tensor, logits: Tensor, alpha: float, label_weight: float) -> Any:
    log_p = log_softmax(logits.detach().numpy(), axis=1)
    distances = cdist(source.detach().numpy(), target.detach().numpy(), "sqeuclidean")
    return alpha * distances - label_weight * np.array([[log_p[j, k] for j in range(len(target))] for k in y])


@pytest.mark.parametrize(("n", "m"), [(N, M), (8, 3), (1, 4)])
def test_the_joint_cost_equals_scipys_entry_by_entry(n: int, m: int) -> None:
    found = joint_cost(*samples(n, m), **WEIGHTS)
    np.testing.assert_allclose(found.numpy(), by_scipy(*samples(n, m), **WEIGHTS))


@pytest.mark.parametrize(("n", "m"), [(N, M), (8, 3), (1, 4)])
def test_the_loss_is_the_minimum_of_the_linear_programme(n: int, m: int) -> None:
    cost = by_scipy(*samples(n, m), **WEIGHTS)
    rows = np.kron(np.eye(n), np.ones(m))
    columns = np.kron(np.ones(n), np.eye(m))
    marginals = np.concatenate([np.full(n, 1 / n), np.full(m, 1 / m)])
    expected = linprog(cost.ravel(), A_eq=np.concatenate([rows, columns]), b_eq=marginals).fun
    assert deepjdot(*samples(n, m), **WEIGHTS).item() == pytest.approx(expected)


@pytest.mark.parametrize(("n", "m"), [(N, M), (40, 64), (64, 64)])
def test_sinkhorns_cost_is_pots_and_nears_the_minimum_from_above(n: int, m: int) -> None:
    cost = joint_cost(*samples(n, m), **WEIGHTS)
    weights = [np.full(k, 1 / k) for k in (n, m)]
    for entropy, tolerance in ((0.3, 1e-6), (0.05, 5e-3)):
        plan = ot.sinkhorn(*weights, cost.numpy(), entropy * cost.mean().item(), numItermax=20_000, stopThr=1e-12)
        found = deepjdot(*samples(n, m), **WEIGHTS, solver="sinkhorn", entropy=entropy)
        assert found.item() == pytest.approx((plan * cost.numpy()).sum(), rel=tolerance)
    exact = deepjdot(*samples(n, m), **WEIGHTS, solver="exact")
    assert exact * 0.999 < deepjdot(*samples(n, m), **WEIGHTS, solver="sinkhorn") < 1.05 * exact


def test_sinkhorn_of_a_cost_without_a_plan_is_not_finite_and_of_none_is_nothing() -> None:
    source, target, y, logits = samples()
    zero = {"alpha": 0.0, "label_weight": 0.0, "solver": "sinkhorn"}
    assert deepjdot(source, target, y, logits, **zero) == 0
    target[0, 0] = torch.nan
    assert not torch.isfinite(deepjdot(source, target, y, logits, solver="sinkhorn"))


def test_batches_of_one_size_are_assigned_one_to_one() -> None:
    cost = by_scipy(*samples(6, 6), **WEIGHTS)
    expected = min(np.mean([cost[i, j] for i, j in enumerate(order)]) for order in permutations(range(6)))
    assert deepjdot(*samples(6, 6), **WEIGHTS).item() == pytest.approx(expected)


def test_labels_decide_where_features_do_not() -> None:
    same, y = torch.zeros(4, 2), torch.tensor([0, 0, 1, 1])
    logits = 50 * torch.nn.functional.one_hot(torch.tensor([1, 0, 1, 0])).float()
    assert deepjdot(same, same, y, logits, **WEIGHTS).item() == pytest.approx(0, abs=1e-6)
    wrong = 50 * torch.nn.functional.one_hot(torch.tensor([1, 1, 1, 0])).float()
    assert deepjdot(same, same, y, wrong, **WEIGHTS).item() == pytest.approx(0.7 * 50 / 4)


def test_gradient_equals_finite_differences_of_the_minimum() -> None:
    source, target, y, logits = samples()
    parts = [x.requires_grad_() for x in (source, target, logits)]
    assert torch.autograd.gradcheck(lambda s, t, f: deepjdot(s, t, y, f, **WEIGHTS), parts)
    deepjdot(source, target, y, logits, **WEIGHTS).backward()
    for x in parts:
        assert x.grad is not None
        assert x.grad.abs().max() > 1e-3


def test_both_domains_descend_towards_each_other() -> None:
    source, target, y, logits = samples()
    source.requires_grad_()
    target.requires_grad_()
    deepjdot(source, target, y, logits, **WEIGHTS).backward()
    assert source.grad is not None
    assert target.grad is not None
    # The target's mean lies above the source's in every coordinate's sum.
    assert (-source.grad).sum() > 0 > (-target.grad).sum()
    torch.testing.assert_close(source.grad.sum(0), -target.grad.sum(0))


def test_order_of_samples_does_not_matter_where_labels_move_along() -> None:
    source, target, y, logits = samples()
    moved = deepjdot(source.flip(0), target.roll(4, 0), y.flip(0), logits.roll(4, 0), **WEIGHTS)
    torch.testing.assert_close(moved, deepjdot(source, target, y, logits, **WEIGHTS))


def test_identical_features_cost_nothing() -> None:
    source, _, y, _ = samples()
    logits = torch.zeros(N, K, dtype=torch.float64)
    assert deepjdot(source, source.flip(0), y, logits, alpha=1.0, label_weight=0.0).item() == pytest.approx(0)


def test_half_precision_does_not_overflow() -> None:
    source, target, y, logits = samples(60, 80)
    halves = [(100 * source).half(), (100 * target).half(), logits.half()]
    doubles = [x.double() for x in halves]
    expected = deepjdot(doubles[0], doubles[1], y, doubles[2])
    torch.testing.assert_close(deepjdot(halves[0], halves[1], y, halves[2]).double(), expected, rtol=1e-4, atol=0)


def test_a_cost_without_a_plan_is_not_finite_and_does_not_hang() -> None:
    source, target, y, logits = samples()
    target[0, 0] = torch.nan
    assert not torch.isfinite(deepjdot(source, target, y, logits))


def test_without_pot_the_command_that_mends_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ot", None)
    with pytest.raises(AdaptError, match=r"pip install 'adapt-lightning\[ot\]'"):
        deepjdot(*samples())
    with pytest.raises(AdaptError, match="needs POT"):
        build(DeepJDOT)


def test_bad_input_is_named() -> None:
    source, target, y, logits = samples()
    with pytest.raises(AdaptError, match="one width"):
        deepjdot(source, target[:, 1:], y, logits)
    with pytest.raises(AdaptError, match=r"N = 6 and M = 9, found \(5,\)"):
        deepjdot(source, target, y[1:], logits)
    with pytest.raises(AdaptError, match=r"found \(6,\) and \(8, 3\)"):
        deepjdot(source, target, y, logits[1:])
    with pytest.raises(AdaptError, match="alpha=-1"):
        deepjdot(source, target, y, logits, alpha=-1.0)
