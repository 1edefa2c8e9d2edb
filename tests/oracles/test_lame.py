"""LAME's affinities and assignments against loops in NumPy, and against the energy that they minimise."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.special import softmax
from sklearn.neighbors import kneighbors_graph

from adapt.errors import AdaptError
from adapt.losses import affinity, laplacian_assignment


def features(n: int = 12, d: int = 4) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def unit(x: torch.Tensor) -> np.ndarray:
    return (x / x.norm(dim=1, keepdim=True)).numpy()


def test_knn_is_sklearns() -> None:
    x = features()
    found = affinity(x, "knn", neighbours=3).numpy()
    np.testing.assert_array_equal(found, kneighbors_graph(unit(x), 3).toarray())


def test_rbf_has_the_mean_distance_to_the_kth_nearest_as_its_width() -> None:
    x = unit(features())
    distance = np.linalg.norm(x[:, None] - x[None], axis=2)
    sigma = np.sort(distance, axis=1)[:, 4].mean()  # oneself is the first
    np.testing.assert_allclose(
        affinity(features(), "rbf", neighbours=5).numpy(), np.exp(-(distance**2) / (2 * sigma**2)), rtol=1e-9
    )
    np.testing.assert_allclose(affinity(features(), "linear").numpy(), x @ x.T, atol=1e-12)


def test_assignments_are_a_minimum_of_the_energy() -> None:
    # Small affinities make the energy convex, so that any descent finds its one minimum.
    x = 2 * torch.randn(4, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    kernel = 0.2 * affinity(features(4), "rbf")
    kernel = (kernel + kernel.T) / 2
    log_p = np.log(softmax(x.numpy(), axis=1))

    def energy(free: np.ndarray) -> float:
        y = softmax(free.reshape(4, 3), axis=1)
        # The pairwise sum counts each pair twice, hence the half; the fixed point is that of this energy.
        return float((y * (np.log(y) - log_p)).sum() - 0.5 * (kernel.numpy() * (y @ y.T)).sum())

    best = minimize(energy, x.numpy().ravel(), tol=1e-12)
    expected = softmax(best.x.reshape(4, 3), axis=1)
    np.testing.assert_allclose(laplacian_assignment(x, kernel).numpy(), expected, atol=1e-4)


def test_neighbours_outvote_a_lonely_sample() -> None:
    logits = torch.tensor([[4.0, 0.0], [4.0, 0.0], [0.0, 0.4]])
    assert laplacian_assignment(logits, torch.ones(3, 3)).argmax(1).tolist() == [0, 0, 0]
    assert laplacian_assignment(logits, torch.zeros(3, 3)).argmax(1).tolist() == [0, 0, 1]


def test_bad_input_is_named() -> None:
    with pytest.raises(AdaptError, match="features"):
        affinity(torch.zeros(3))
    with pytest.raises(AdaptError, match="kernel"):
        laplacian_assignment(torch.zeros(2, 3), torch.zeros(3, 3))
    assert torch.isfinite(affinity(torch.ones(1, 3))).all()


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(AdaptError, match="kind expects 'rbf', 'knn' or 'linear', found 'xx'"):
        affinity(torch.randn(4, 2), "xx")  # type: ignore[arg-type]
