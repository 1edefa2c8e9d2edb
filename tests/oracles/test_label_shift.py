"""Class weights and shares against NumPy, SciPy and what they are by construction."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from sklearn.metrics import confusion_matrix
from torch import Tensor

from adapt.density_ratio import bbse, calibrated, mlls
from adapt.errors import AdaptError

K = 3
PRIOR, SHARES = torch.tensor([0.6, 0.3, 0.1]), torch.tensor([0.1, 0.2, 0.7])
MEANS = 1.5 * torch.eye(K, dtype=torch.float64)


def drawn(shares: Tensor, n: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """The exact log p(x | y) + log p_s(y) of samples of Gaussian classes `(n, K)`, and their classes."""
    draw = torch.Generator().manual_seed(seed)
    y = torch.multinomial(shares, n, replacement=True, generator=draw)
    x = MEANS[y] + torch.randn(n, K, generator=draw, dtype=torch.float64)
    return -torch.cdist(x, MEANS).square() / 2 + PRIOR.double().log(), y


@pytest.mark.parametrize("soft", [False, True])
def test_bbse_solves_the_confusion_matrix_of_scikit_learn(soft: bool) -> None:
    (zs, y), (zt, _) = drawn(PRIOR, 400), drawn(SHARES, 300, 1)
    p, q = zs.softmax(1), zt.softmax(1)
    found = bbse(p, y, q, soft=soft).numpy()
    if soft:
        joint, mu = np.einsum("ni,nj->ij", p.numpy(), np.eye(K)[y.numpy()]) / 400, q.numpy().mean(0)
    else:
        joint = confusion_matrix(y.numpy(), p.argmax(1).numpy()).T / 400
        mu = np.bincount(q.argmax(1).numpy(), minlength=K) / 300
    exact = np.linalg.inv(joint) @ mu
    np.testing.assert_allclose(found, exact.clip(0), rtol=1e-9)


def test_mlls_is_where_scipy_finds_the_likelihood_largest() -> None:
    zt, _ = drawn(SHARES, 500, 1)
    q, prior = zt.softmax(1), PRIOR.double()

    def loss(shares: Any) -> float:
        return float(-np.log(q.numpy() @ (shares / prior.numpy())).mean())

    limits: Any = {"bounds": [(1e-9, 1)] * K, "constraints": {"type": "eq", "fun": lambda s: s.sum() - 1}}
    expected = minimize(loss, np.full(K, 1 / K), method="SLSQP", tol=1e-14, **limits)
    found = mlls(q, prior)
    np.testing.assert_allclose(found.numpy(), expected.x, atol=1e-5)
    assert found.sum().item() == pytest.approx(1)
    # A fixed point: Bayes' rule with these shares gives these shares.
    corrected = q * (found / prior)
    assert torch.allclose((corrected / corrected.sum(1, keepdim=True)).mean(0), found, atol=1e-6)


@pytest.mark.parametrize("bias", [False, True])
def test_calibration_is_where_scipy_finds_the_cross_entropy_smallest(bias: bool) -> None:
    z, y = drawn(PRIOR, 500)
    z = 3 * z + torch.tensor([1.0, -2.0, 0.5])
    one = np.eye(K)[y.numpy()]

    def loss(values: Any) -> float:
        logits = values[0] * z.numpy() + (values[1:] if bias else 0)
        return float((np.logaddexp.reduce(logits, 1) - (one * logits).sum(1)).mean())

    expected = minimize(loss, np.r_[1.0, np.zeros(K)], tol=1e-13).x
    scale, biases = calibrated(z, y, bias=bias)
    assert scale.item() == pytest.approx(expected[0], rel=1e-4)
    assert biases.mean().item() == pytest.approx(0, abs=1e-9)
    if bias:
        np.testing.assert_allclose(biases.numpy(), expected[1:] - expected[1:].mean(), atol=1e-3)
        shares = (scale * z + biases).softmax(1).mean(0)
        np.testing.assert_allclose(shares.numpy(), one.mean(0), atol=1e-5)
    else:
        assert not biases.any()


def test_all_estimators_find_the_shares_that_the_samples_were_drawn_with() -> None:
    (zs, y), (zt, _) = drawn(PRIOR, 20000), drawn(SHARES, 20000, 1)
    p, q = zs.softmax(1), zt.softmax(1)
    for weights in (bbse(p, y, q), bbse(p, y, q, soft=True), mlls(q, p.mean(0)) / p.mean(0)):
        np.testing.assert_allclose((weights * PRIOR).numpy(), SHARES.numpy(), atol=0.05)


def test_miscalibrated_probabilities_mislead_mlls_and_calibration_mends_it() -> None:
    (zs, y), (zt, _) = drawn(PRIOR, 4000), drawn(SHARES, 4000, 1)
    odd = torch.tensor([0.0, 2.0, 0.0])
    zs, zt = 2.5 * zs + odd, 2.5 * zt + odd
    raw = mlls(zt.softmax(1), torch.bincount(y) / len(y))
    scale, biases = calibrated(zs, y)
    prior = (scale * zs + biases).softmax(1).mean(0)
    mended = mlls((scale * zt + biases).softmax(1), prior)
    assert (mended - SHARES).abs().max() < 0.04 < 0.08 < (raw - SHARES).abs().max()


def test_a_class_that_the_target_has_not_gets_no_share_and_no_negative_weight() -> None:
    none = torch.tensor([0.0, 0.5, 0.5])
    (zs, y), (zt, _) = drawn(PRIOR, 2000), drawn(none, 2000, 1)
    assert mlls(zt.softmax(1), PRIOR)[0] < 0.03
    weights = bbse(zs.softmax(1), y, zt.softmax(1))
    assert (weights >= 0).all() and weights[0] < 0.1


def test_half_precision_and_single_samples_are_taken() -> None:
    zt, _ = drawn(SHARES, 50)
    assert mlls(zt.softmax(1).half(), PRIOR).dtype == torch.float32
    assert mlls(zt.softmax(1)[:1], PRIOR).argmax() == (zt.softmax(1)[0] / PRIOR).argmax()
    assert calibrated(zt[:1].half(), torch.tensor([0]))[0].isfinite()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda p: bbse(p, torch.zeros(3).long(), p), "not among the held-out"),
        (lambda p: bbse(torch.eye(2)[[0, 0]], torch.tensor([0, 1]), torch.eye(2)), "never predicted"),
        (lambda p: bbse(p, torch.zeros(2).long(), p), "class index for each"),
        (lambda p: bbse(p, torch.zeros(3).long(), p[:, :2]), "expects probabilities"),
        (lambda p: bbse(2 * p, torch.zeros(3).long(), p), "sum to 1"),
        (lambda p: mlls(p, torch.tensor([0.5, 0.5, 0.0])), "share above 0"),
        (lambda p: calibrated(p, torch.zeros(2).long()), "expects"),
    ],
)
def test_what_does_not_fit_is_refused(call: Any, said: str) -> None:
    with pytest.raises(AdaptError, match=said):
        call(torch.eye(3))
