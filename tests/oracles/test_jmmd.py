"""JMMD against double loops in NumPy, and JAN's two sides of the minimax."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from adapt.data import Labelled, Pair, Unlabelled
from adapt.errors import AdaptError
from adapt.losses import jmmd, mmd
from adapt.losses.mmd import Estimator
from adapt.methods import JAN
from tests.toy import CLASSES, WIDTH, build

N, M, D, K = 7, 10, 5, 3
ESTIMATORS: list[Estimator] = ["unbiased", "biased", "linear"]


def samples(n: int = N, m: int = M) -> tuple[list[Tensor], list[Tensor]]:
    draw = torch.Generator().manual_seed(3)

    def layers(size: int, scale: float, shift: float) -> list[Tensor]:
        features = scale * torch.randn(size, D, generator=draw, dtype=torch.float64) + shift
        return [features, (2 * torch.randn(size, K, generator=draw, dtype=torch.float64)).softmax(1)]

    return layers(n, 1.0, 0.0), layers(m, 1.5, 0.5)


def by_loops(source: list[Tensor], target: list[Tensor], estimator: Estimator) -> float:
    pooled = [np.concatenate([s.numpy(), t.numpy()]) for s, t in zip(source, target, strict=True)]
    n, total = len(source[0]), len(pooled[0])

    def d2(layer: int, i: int, j: int) -> float:
        return float(((pooled[layer][i] - pooled[layer][j]) ** 2).sum())

    mean = np.mean([d2(0, i, j) for i in range(total) for j in range(total) if i != j])

    def k(i: int, j: int) -> Any:
        features = sum(np.exp(-d2(0, i, j) / (2.0**e * mean)) for e in (-2, -1, 0, 1, 2))
        return features * np.exp(-d2(1, i, j) / 1.68)

    s, t = range(n), range(n, total)
    if estimator == "linear":
        pairs = range(0, min(n, total - n) // 2 * 2, 2)
        terms = [k(i, i + 1) + k(n + i, n + i + 1) - k(i, n + i + 1) - k(i + 1, n + i) for i in pairs]
        return float(np.mean(terms))
    keep = estimator == "biased"
    within_s = [k(i, j) for i in s for j in s if keep or i != j]
    within_t = [k(i, j) for i in t for j in t if keep or i != j]
    return float(np.mean(within_s) + np.mean(within_t) - 2 * np.mean([k(i, j) for i in s for j in t]))


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize(("n", "m"), [(N, M), (9, 4)])
def test_every_estimator_equals_double_loops(estimator: Estimator, n: int, m: int) -> None:
    source, target = samples(n, m)
    assert jmmd(source, target, estimator=estimator).item() == pytest.approx(by_loops(source, target, estimator))


def test_one_layer_is_mmd_and_a_constant_layer_changes_nothing() -> None:
    (source, _), (target, _) = samples()
    expected = mmd(source, target)
    torch.testing.assert_close(jmmd([source], [target], bandwidths=[None]), expected)
    constant = [torch.ones(len(x), 2).double() for x in (source, target)]
    torch.testing.assert_close(jmmd([source, constant[0]], [target, constant[1]]), expected)


def test_the_joint_is_compared_and_not_the_layers_one_by_one() -> None:
    # Both layers have the same marginals in both domains, but in the target they do not belong together.
    x = torch.tensor([[0.0], [1.0]]).double().repeat(20, 1)
    source, target = [x, x], [x, 1 - x]
    assert mmd(x, 1 - x, estimator="biased").item() == pytest.approx(0)
    assert jmmd(source, target, estimator="biased") > 0.1


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_gradient_equals_finite_differences_and_is_not_zero(estimator: Estimator) -> None:
    layers = [x.requires_grad_() for part in samples() for x in part]

    # The bandwidth of the batch is detached, and so has no finite difference to agree with.
    def loss(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
        return jmmd([a, b], [c, d], bandwidths=[6.0, 1.68], estimator=estimator)

    assert torch.autograd.gradcheck(loss, layers)
    jmmd(layers[:2], layers[2:], estimator=estimator).backward()
    for x in layers:
        assert x.grad is not None
        assert x.grad.abs().max() > 1e-4


def test_order_of_samples_does_not_matter_where_layers_move_together() -> None:
    source, target = samples()
    moved = jmmd([x.flip(0) for x in source], [x.roll(4, 0) for x in target])
    torch.testing.assert_close(moved, jmmd(source, target))
    torn = jmmd([source[0].flip(0), source[1]], target)
    assert (torn - jmmd(source, target)).abs() > 1e-3


def test_identical_domains_give_zero_in_the_biased_estimate() -> None:
    source, _ = samples()
    assert jmmd(source, source, estimator="biased").item() == pytest.approx(0, abs=1e-12)


def test_half_precision_does_not_overflow() -> None:
    source, target = ([100 * features, softmax] for features, softmax in samples(60, 80))
    expected = jmmd([x.half().double() for x in source], [x.half().double() for x in target])
    found = jmmd([x.half() for x in source], [x.half() for x in target])
    torch.testing.assert_close(found.double(), expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("adversarial", [False, True])
def test_features_descend_and_theta_ascends_the_discrepancy(adversarial: bool) -> None:
    torch.manual_seed(0)
    method = build(JAN, adversarial=adversarial)
    assert isinstance(method, JAN)
    x = torch.randn(40, WIDTH)
    batch = Pair(Labelled(x, torch.arange(40) % CLASSES, torch.arange(40)), Unlabelled(1.5 * x + 1, torch.arange(40)))

    def value() -> Tensor:
        return method.discrepancy(*method.encode(batch))

    sides = [("network", [*method.backbone.parameters(), *method.classifier.parameters()], -1)]
    if adversarial:
        sides.append(("theta", [*method.thetas.parameters()], 1))
    for name, parameters, sign in sides:
        method.zero_grad()
        before = value()
        before.backward()
        gradients = [p.grad for p in parameters if p.grad is not None]
        assert max(g.abs().max() for g in gradients) > 1e-4, name
        # One small step of gradient descent, as the optimizer would take it.
        with torch.no_grad():
            for p in parameters:
                p -= 0.01 * p.grad
            assert sign * (value() - before) > 0, name


def test_theta_starts_as_the_identity() -> None:
    x = torch.randn(6, 32)
    method = build(JAN, adversarial=True)
    assert isinstance(method, JAN)
    torch.testing.assert_close(method.thetas[0](x), x)


def test_bad_input_is_named() -> None:
    x, y = torch.zeros(4, 3), torch.zeros(5, 3)
    with pytest.raises(AdaptError, match="found 1, 2 and 2"):
        jmmd([x], [x, x])
    with pytest.raises(AdaptError, match="same samples in every layer"):
        jmmd([x, y], [x, x])
    with pytest.raises(AdaptError, match="at least 2 samples"):
        jmmd([x[:1], x[:1]], [x, x])
    with pytest.raises(AdaptError, match="positive"):
        jmmd([x, x], [x, x], bandwidths=[None, 0.0])
