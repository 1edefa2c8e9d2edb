"""The affine map of CORAL against NumPy's covariances and SciPy's matrix roots."""

import numpy as np
import pytest
import torch
from scipy.linalg import fractional_matrix_power

from adapt.errors import AdaptError
from adapt.losses import coral_map


def samples(n: int = 40, m: int = 70, d: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(5)
    mix = torch.randn(2, d, d, generator=draw, dtype=torch.float64)
    source = torch.randn(n, d, generator=draw, dtype=torch.float64) @ mix[0] - 2
    return source, 3 * torch.randn(m, d, generator=draw, dtype=torch.float64) @ mix[1] + 1


def regularized(x: torch.Tensor, r: float) -> np.ndarray:
    covariance = np.cov(x.numpy(), rowvar=False)
    return covariance + r * np.trace(covariance) / len(covariance) * np.eye(len(covariance))


def test_without_regularization_the_mapped_source_has_the_targets_covariance_and_mean() -> None:
    source, target = samples()
    weight, bias = coral_map(source, target, regularization=0.0)
    mapped = (source @ weight + bias).numpy()
    np.testing.assert_allclose(np.cov(mapped.T), np.cov(target.numpy().T), rtol=1e-8)
    np.testing.assert_allclose(mapped.mean(0), target.numpy().mean(0))


@pytest.mark.parametrize(("n", "m", "d", "r"), [(40, 70, 5, 1.0), (4, 9, 6, 0.1)])
def test_the_map_is_the_papers_product_of_matrix_powers(n: int, m: int, d: int, r: float) -> None:
    source, target = samples(n, m, d)
    weight, bias = coral_map(source, target, regularization=r)
    whiten, colour = (fractional_matrix_power(regularized(x, r), power) for x, power in ((source, -0.5), (target, 0.5)))
    np.testing.assert_allclose(weight.numpy(), whiten @ colour, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose((source.mean(0) @ weight + bias).numpy(), target.mean(0).numpy(), atol=1e-12)
    moved = weight.numpy().T @ regularized(source, r) @ weight.numpy()
    np.testing.assert_allclose(moved, regularized(target, r), rtol=1e-6, atol=1e-9)


def test_each_domains_units_change_nothing_but_the_units() -> None:
    source, target = samples()
    weight, _ = coral_map(source, target)
    scaled, _ = coral_map(10 * source, 3 * target)
    torch.testing.assert_close(scaled, weight * 3 / 10)


def test_equal_domains_stay_where_they_are() -> None:
    source, _ = samples()
    weight, bias = coral_map(source, source.clone())
    torch.testing.assert_close(source @ weight + bias, source)


def test_bad_input_is_named() -> None:
    source, target = samples(4, 9, 6)
    with pytest.raises(AdaptError, match=r"4 samples of 6 features.*regularization above 0"):
        coral_map(source, target, regularization=0.0)
    with pytest.raises(AdaptError, match="at least 0, found -1"):
        coral_map(source, target, regularization=-1.0)
    with pytest.raises(AdaptError, match="one width"):
        coral_map(source, target[:, :3])
