"""Subspace alignment against scikit-learn's PCA and the least-squares problem that it solves."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from adapt.errors import AdaptError
from adapt.losses import subspace_alignment


def samples(n: int = 30, m: int = 50, d: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(5)
    spread = torch.arange(1, d + 1, dtype=torch.float64)
    source = torch.randn(n, d, generator=draw, dtype=torch.float64) * spread + 1
    return source, torch.randn(m, d, generator=draw, dtype=torch.float64) * spread.roll(2) - 1


@pytest.mark.parametrize(("n", "m", "d", "k"), [(30, 50, 6, 2), (5, 9, 12, 4), (30, 20, 3, 3)])
def test_projections_are_those_of_scikit_learns_axes(n: int, m: int, d: int, k: int) -> None:
    source, target = samples(n, m, d)
    own, axes = (PCA(k, svd_solver="full").fit(x.numpy()).components_.T for x in (source, target))
    of_source, of_target = (w.numpy() for w in subspace_alignment(source, target, components=k))
    # An axis has no sign: Gram matrices of the components do not see it.
    expected_source, expected_target = source.numpy() @ own @ own.T @ axes, target.numpy() @ axes
    expected = np.vstack([expected_source, expected_target])
    found = np.vstack([source.numpy() @ of_source, target.numpy() @ of_target])
    np.testing.assert_allclose(found @ found.T, expected @ expected.T, rtol=1e-8, atol=1e-8)


def test_the_alignment_is_the_least_squares_one() -> None:
    source, target = samples()
    of_source, axes = (w.numpy() for w in subspace_alignment(source, target, components=3))
    own = PCA(3, svd_solver="full").fit(source.numpy()).components_.T
    best, *_ = np.linalg.lstsq(own, axes, rcond=None)
    np.testing.assert_allclose(of_source, own @ best, atol=1e-10)


def test_equal_domains_get_equal_projections() -> None:
    source, _ = samples()
    torch.testing.assert_close(*subspace_alignment(source, source.clone(), components=2))


def test_bad_input_is_named() -> None:
    source, target = samples(4, 9, 6)
    for k in (0, 4):
        with pytest.raises(AdaptError, match=f"from 1 to 3, found {k}"):
            subspace_alignment(source, target, components=k)
    with pytest.raises(AdaptError, match="at least 2 samples"):
        subspace_alignment(source[:1], target, components=1)
