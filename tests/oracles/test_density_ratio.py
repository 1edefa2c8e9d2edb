"""Density ratios against closed forms, optimality conditions, NumPy and SciPy."""

import sys
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.spatial.distance import cdist, pdist
from scipy.stats import spearmanr

from adapt.density_ratio import kliep, kmm, logistic, rulsif
from adapt.density_ratio.gaussian import drawn
from adapt.density_ratio.kliep import kliep_coefficients
from adapt.errors import AdaptError

ESTIMATORS = [logistic, kmm, kliep, rulsif]
B = 3.0


def samples(n: int = 40, m: int = 55, d: int = 3, shift: float = 0.8) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(3)
    source, target = (torch.randn(k, d, generator=draw, dtype=torch.float64) for k in (n, m))
    target[:, 0] += shift
    return source, target


def gaussian(x: torch.Tensor, y: torch.Tensor, width: float) -> NDArray[np.float64]:
    values: NDArray[np.float64] = np.exp(-(cdist(x.numpy(), y.numpy()) ** 2) / width)
    return values


@pytest.mark.parametrize(("n", "m"), [(3000, 1000), (1000, 3000)])
def test_logistic_is_the_closed_form_of_two_gaussians_whatever_the_numbers_of_samples(n: int, m: int) -> None:
    s, t = samples(n, m)
    found = logistic(s, t).log()
    exact = 0.8 * s[:, 0] - 0.8**2 / 2
    assert (found - exact).abs().mean() < 0.12
    assert found.exp().mean().item() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(
    "options",
    [{}, {"upper": 1.5}, {"slack": 0.0}, {"slack": 0.02}, {"ridge": 0.5}, {"upper": 1.2, "slack": 0.0}],
    ids=str,
)
def test_kmm_meets_the_optimality_conditions_of_its_quadratic_programme(options: dict[str, float]) -> None:
    s, t = samples()
    n, m = len(s), len(t)
    w = kmm(s, t, bandwidth=B, **options).numpy()  # type: ignore[arg-type]
    upper, ridge = options.get("upper", 1000.0), options.get("ridge", 1e-6)
    slack = options.get("slack", (n**0.5 - 1) / n**0.5)
    slope = (gaussian(s, s, B) + ridge * np.eye(n)) @ w - n / m * gaussian(s, t, B).sum(1)
    assert (w >= 0).all()
    assert (w <= upper).all()
    assert abs(w.mean() - 1) <= slack + 1e-6
    free = (w > 1e-5) & (w < upper - 1e-5)
    assert free.sum() > 2
    # One multiplier of the mean's bound, the same for all free weights, with the sign of the side that holds it.
    multiplier = -slope[free].mean()
    np.testing.assert_allclose(slope[free], -multiplier, atol=1e-4)
    assert (slope[w <= 1e-5] + multiplier >= -1e-4).all()
    assert (slope[w >= upper - 1e-5] + multiplier <= 1e-4).all()
    if w.mean() < 1 + slack - 1e-5:
        assert multiplier <= 1e-4
    if w.mean() > 1 - slack + 1e-5:
        assert multiplier >= -1e-4


def test_kmm_in_blocks_weights_each_part_of_the_source_alone() -> None:
    s, t = samples(41)
    parts = torch.randperm(41, generator=torch.Generator().manual_seed(7)).tensor_split(3)
    found = kmm(s, t, bandwidth=B, block=15, seed=7)
    for part in parts:
        torch.testing.assert_close(found[part], kmm(s[part], t, bandwidth=B))


def test_kliep_keeps_its_constraint_and_its_likelihood_never_falls() -> None:
    s, t = samples()
    at_source, at_target = (torch.as_tensor(gaussian(x, t[:20], B)) for x in (s, t))
    likelihoods = []
    for iterations in range(1, 60):
        alpha = kliep_coefficients(at_target, at_source.mean(0), iterations, 0.0)
        assert (alpha >= 0).all()
        assert (at_source @ alpha).mean().item() == pytest.approx(1)
        likelihoods.append((at_target @ alpha).log().mean().item())
    assert (np.diff(likelihoods) >= -1e-12).all()
    assert likelihoods[-1] > likelihoods[0] + 0.01


def test_kliep_finds_scipys_maximum_of_the_likelihood() -> None:
    s, t = samples(12, 9, shift=1.5)
    at_source, at_target = gaussian(s, t, B), gaussian(t, t, B)
    solved = minimize(
        lambda a: -np.log(at_target @ a).mean(),
        np.full(9, 1 / at_source.mean(0).sum()),
        jac=lambda a: -(at_target / (at_target @ a)[:, None]).mean(0),
        bounds=[(0, None)] * 9,
        constraints={"type": "eq", "fun": lambda a: at_source.mean(0) @ a - 1, "jac": lambda a: at_source.mean(0)},
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 1000},
    )
    found = kliep(s, t, bandwidth=B, iterations=100_000, tolerance=1e-9)
    np.testing.assert_allclose(found.numpy(), at_source @ solved.x, atol=2e-3)
    early = kliep_coefficients(torch.as_tensor(at_target), torch.as_tensor(at_source.mean(0)), 100_000, 0.01)
    assert -solved.fun - 0.01 <= np.log(at_target @ early.numpy()).mean() <= -solved.fun + 1e-9


@pytest.mark.parametrize("alpha", [0.0, 0.1, 0.5])
def test_rulsif_is_numpys_solution_of_the_normal_equations(alpha: float) -> None:
    s, t = samples()
    at_source, at_target = gaussian(s, t, B), gaussian(t, t, B)
    second = alpha * at_target.T @ at_target / len(t) + (1 - alpha) * at_source.T @ at_source / len(s)
    theta = np.linalg.solve(second + 0.3 * np.eye(len(t)), at_target.mean(0))
    found = rulsif(s, t, alpha=alpha, bandwidth=B, ridge=0.3)
    np.testing.assert_allclose(found.numpy(), np.maximum(0, at_source @ theta))


@pytest.mark.parametrize("estimator", [logistic, kliep, rulsif])
def test_weights_order_the_samples_as_the_true_ratio_does(estimator: Any) -> None:
    s, t = samples(300, 400, d=2)
    found = estimator(s, t)
    assert found.shape == (300,)
    assert (found >= 0).all()
    assert spearmanr(found.numpy(), s[:, 0].numpy()).statistic > 0.85


def test_weights_of_kernel_mean_matching_bring_the_source_s_mean_to_the_target_s() -> None:
    s, t = samples(300, 400, d=2)
    w = kmm(s, t)
    assert (s.mean(0) - t.mean(0)).norm() > 0.7
    assert ((w[:, None] * s).sum(0) / w.sum() - t.mean(0)).norm() < 0.05


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_equal_domains_give_equal_weights(estimator: Any) -> None:
    s, _ = samples(60, d=2)
    found = estimator(s, s)
    assert found.std() < 0.2 * found.mean()
    if estimator is not rulsif:  # whose penalty shrinks, and whose relative ratio is not normalised
        assert found.mean().item() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_weights_follow_their_samples_and_not_the_units(estimator: Any) -> None:
    s, t = samples()
    found = estimator(s, t)
    order = torch.randperm(len(s), generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(estimator(s[order], t), found[order], atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(estimator(10 * s + 5, 10 * t + 5), found, atol=1e-3, rtol=1e-3)
    assert torch.equal(estimator(s, t), found)


@pytest.mark.parametrize("estimator", [kmm, kliep, rulsif])
def test_the_bandwidth_is_the_median_squared_distance_of_both_domains(estimator: Any) -> None:
    s, t = samples(40, 55)  # 95 samples make an odd number of pairs
    median = float(np.median(pdist(torch.cat([s, t]).numpy()) ** 2))
    torch.testing.assert_close(estimator(s, t), estimator(s, t, bandwidth=median), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("estimator", [kliep, rulsif])
def test_centres_are_drawn_from_the_target_by_the_seed(estimator: Any) -> None:
    s, t = samples()
    chosen = drawn(t, 10, seed=4)
    assert len(chosen) == 10
    assert all((t == row).all(1).any() for row in chosen)
    one, again, other = (estimator(s, t, bandwidth=B, centres=10, seed=seed) for seed in (4, 4, 5))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_weights_have_the_precision_of_the_features_and_never_half(estimator: Any) -> None:
    s, t = samples()
    assert estimator(s, t).dtype == torch.float64
    assert estimator(s.float(), t.float()).dtype == torch.float32
    assert estimator(s.bfloat16(), t.bfloat16()).dtype == torch.float32


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_features_that_are_no_pair_of_finite_matrices_are_refused(estimator: Any) -> None:
    s, t = samples()
    with pytest.raises(AdaptError, match="one width"):
        estimator(s, t[:, :2])
    with pytest.raises(AdaptError, match="NaN or infinity in 1 target samples"):
        estimator(s, torch.cat([t, torch.full((1, 3), torch.nan)]))


@pytest.mark.parametrize(
    ("estimator", "options", "message"),
    [
        (logistic, {"inverse_penalty": 0.0}, "inverse_penalty"),
        (kmm, {"upper": 0.0}, "upper"),
        (kmm, {"upper": 0.5, "slack": 0.1}, "OSQP says"),
        (kmm, {"bandwidth": 0.0}, "bandwidth"),
        (kliep, {"centres": 0}, "centres"),
        (kliep, {"bandwidth": 1e-9}, "overlap"),
        (rulsif, {"alpha": 1.0}, "alpha"),
    ],
)
def test_options_out_of_range_are_refused(estimator: Any, options: dict[str, Any], message: str) -> None:
    s, t = samples()
    with pytest.raises(AdaptError, match=message):
        estimator(s, t, **options)


def test_features_that_coincide_need_a_bandwidth() -> None:
    with pytest.raises(AdaptError, match="features that differ"):
        rulsif(torch.ones(4, 2), torch.ones(5, 2))


def test_a_missing_solver_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "osqp", None)
    with pytest.raises(AdaptError, match=r"adapt-lightning\[kmm\]"):
        kmm(*samples())
