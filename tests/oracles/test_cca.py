"""Canonical correlation against scikit-learn's, and against what it is to maximise."""

import numpy as np
import pytest
import torch
from sklearn.cross_decomposition import CCA as Sklearn

from adapt.errors import AdaptError
from adapt.losses import canonical_correlation


def views(n: int = 400, d: int = 6, e: int = 5) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(n, 3)) * [1.0, 0.7, 0.4]
    a = shared @ rng.normal(size=(3, d)) + rng.normal(size=(n, d)) + 5
    b = shared @ rng.normal(size=(3, e)) + rng.normal(size=(n, e)) - 2
    return a, b


def test_the_variates_are_scikit_learns() -> None:
    a, b = views()
    first, second, values = canonical_correlation(torch.tensor(a), torch.tensor(b), components=3)
    ours = [(x - x.mean(0)) @ w.numpy() for x, w in ((a, first), (b, second))]
    theirs = Sklearn(n_components=3, max_iter=5000, tol=1e-10).fit_transform(a, b)
    for k in range(3):
        assert values[k].item() == pytest.approx(np.corrcoef(theirs[0][:, k], theirs[1][:, k])[0, 1], abs=1e-4)
        for one, other in zip(ours, theirs, strict=True):
            assert abs(np.corrcoef(one[:, k], other[:, k])[0, 1]) > 0.9999


def test_projected_views_have_variance_one_and_only_their_own_column_correlates() -> None:
    a, b = views()
    first, second, values = canonical_correlation(torch.tensor(a), torch.tensor(b), components=4)
    u, v = (a - a.mean(0)) @ first.numpy(), (b - b.mean(0)) @ second.numpy()
    table = np.cov(np.hstack([u, v]).T)
    assert np.allclose(table[:4, :4], np.eye(4), atol=1e-8) and np.allclose(table[4:, 4:], np.eye(4), atol=1e-8)
    assert np.allclose(table[:4, 4:], np.diag(values.numpy()), atol=1e-8)
    assert (values[:-1] >= values[1:]).all()


def test_a_ridge_keeps_chance_from_looking_like_agreement() -> None:
    torch.manual_seed(0)
    a, b = torch.randn(20, 30), torch.randn(20, 30)
    assert canonical_correlation(a, b, components=1)[2].item() == pytest.approx(1, abs=1e-6)
    assert canonical_correlation(a, b, components=1, regularization=10.0)[2].item() < 0.5


def test_a_feature_that_never_varies_changes_nothing() -> None:
    a, b = (torch.tensor(x) for x in views())
    still = torch.cat([a, torch.ones(len(a), 1)], 1)
    found, more = (canonical_correlation(x, b, components=3) for x in (a, still))
    assert torch.allclose(found[2], more[2]) and torch.isfinite(more[0]).all()


def test_what_does_not_fit_is_refused() -> None:
    a, b = (torch.tensor(x) for x in views())
    for options in ({"components": 0}, {"components": 6}, {"components": 1, "regularization": -1.0}):
        with pytest.raises(AdaptError, match="expects"):
            canonical_correlation(a, b, **options)
    with pytest.raises(AdaptError, match="same samples"):
        canonical_correlation(a[:-1], b, components=1)
