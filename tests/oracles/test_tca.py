"""Transfer components against the paper's matrices in NumPy, and against kernel PCA."""

from typing import Literal

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist, pdist

from adapt.errors import AdaptError
from adapt.losses import tca, transfer_components


def samples(n: int = 14, m: int = 21, d: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(5)
    source = torch.randn(n, d, generator=draw, dtype=torch.float64)
    return source, torch.randn(m, d, generator=draw, dtype=torch.float64) * 1.5 + 0.7


def papers_matrices(source: torch.Tensor, target: torch.Tensor, kernel: str) -> tuple[np.ndarray, ...]:
    x, n, m = torch.cat([source, target]).numpy(), len(source), len(target)
    k = x @ x.T
    if kernel == "gaussian":
        k = np.exp(-cdist(x, x, "sqeuclidean") / pdist(x, "sqeuclidean").mean())
    e = np.r_[np.full(n, 1 / n), np.full(m, -1 / m)]
    return k, np.outer(e, e), np.eye(n + m) - 1 / (n + m)


@pytest.mark.parametrize(("kernel", "k", "mu"), [("gaussian", 4, 1.0), ("gaussian", 2, 0.01), ("linear", 3, 0.1)])
@pytest.mark.parametrize("whiten", [False, True])
def test_components_solve_the_papers_eigenproblem(
    kernel: Literal["gaussian", "linear"], k: int, mu: float, whiten: bool
) -> None:
    source, target = samples()
    gram, gap, h = papers_matrices(source, target, kernel)
    fitted = tca(source, target, components=k, kernel=kernel, regularization=mu, whiten=whiten)
    w = fitted.weight.numpy()
    problem = np.linalg.solve(gram @ gap @ gram + mu * np.eye(len(gram)), gram @ h @ gram)
    leading = np.sort(np.linalg.eigvals(problem).real)[::-1][:k]
    np.testing.assert_allclose(problem @ w, w * leading, rtol=1e-6, atol=1e-7 * np.abs(w).max())
    found = transfer_components(torch.cat([source, target]), fitted).numpy()
    variances = np.ones(k) if whiten else leading / leading.mean()
    np.testing.assert_allclose(np.cov(found.T), np.diag(variances), atol=1e-7)
    np.testing.assert_allclose(found, h @ gram @ w, atol=1e-8)


def test_no_other_projection_has_a_higher_objective() -> None:
    source, target = samples()
    gram, gap, h = papers_matrices(source, target, "gaussian")
    scatter, constraint = gram @ h @ gram, gram @ gap @ gram + 0.1 * np.eye(len(gram))

    def objective(w: np.ndarray) -> float:
        return float(np.trace(np.linalg.solve(w.T @ constraint @ w, w.T @ scatter @ w)))

    best = tca(source, target, components=3, kernel="gaussian", regularization=0.1).weight.numpy()
    draw = np.random.default_rng(0)
    for step in (1e-3, 1e-1, 10.0):
        for _ in range(20):
            assert objective(best + step * draw.normal(size=best.shape) * np.abs(best).max()) < objective(best)


def test_the_means_agree_the_more_the_smaller_the_regularization() -> None:
    source, target = samples()
    gaps = []
    for mu in (1e3, 1.0, 1e-6):
        fitted = tca(source, target, components=3, kernel="gaussian", regularization=mu)
        gap = transfer_components(source, fitted).mean(0) - transfer_components(target, fitted).mean(0)
        gaps.append(float(gap.norm()))
    assert gaps[0] > gaps[1] > gaps[2]
    assert gaps[2] < 1e-4 and gaps[0] > 0.5


def test_all_samples_as_landmarks_are_the_default_and_few_serve_new_points() -> None:
    source, target = samples()
    everything = torch.cat([source, target])
    given = tca(source, target, components=2, kernel="gaussian", landmarks=everything)
    for a, b in zip(tca(source, target, components=2, kernel="gaussian"), given, strict=True):
        torch.testing.assert_close(a, b)
    few = tca(source, target, components=2, kernel="gaussian", whiten=True, landmarks=everything[::5])
    found = transfer_components(everything, few).numpy()
    assert few.weight.shape == (7, 2)
    np.testing.assert_allclose(np.cov(found.T), np.eye(2), atol=1e-8)
    np.testing.assert_allclose(found.mean(0), 0, atol=1e-8)
    torch.testing.assert_close(transfer_components(everything[3:4], few), torch.from_numpy(found[3:4]))


def test_bad_input_is_named() -> None:
    source, target = samples()
    with pytest.raises(AdaptError, match="from 1 to 34 for 35 landmarks, found 35"):
        tca(source, target, components=35)
    with pytest.raises(AdaptError, match="fewer than 4 components that vary"):
        tca(source, target, components=4, kernel="linear")
    with pytest.raises(AdaptError, match="positive numbers"):
        tca(source, target, components=2, regularization=0.0)
    with pytest.raises(AdaptError, match="'gaussian' or 'linear', found 'cubic'"):
        tca(source, target, components=2, kernel="cubic")  # type: ignore[arg-type]
