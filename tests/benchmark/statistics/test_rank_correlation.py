import numpy as np
import pytest
from scipy import stats

from adapt.benchmark.statistics.rank_correlation import correlate, top_weights, weighted_pearson, weighted_spearman
from adapt.errors import AdaptError


def sample(n: int = 60, levels: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    x = rng.normal(size=n)
    y = 0.5 * x + rng.normal(size=n)
    return (x, y) if levels is None else (np.round(x * levels) / levels, np.round(y * levels) / levels)


@pytest.mark.parametrize("levels", [None, 2])
def test_with_equal_weights_it_is_spearman_ties_included(levels: int | None) -> None:
    x, y = sample(levels=levels)
    found = weighted_pearson(stats.rankdata(x), stats.rankdata(y), np.full(len(x), 0.3))
    assert found == pytest.approx(stats.spearmanr(x, y).statistic)
    assert correlate(list(x), list(y)).plain == pytest.approx(stats.spearmanr(x, y).statistic)


@pytest.mark.parametrize("levels", [None, 2])
def test_the_weighted_one_is_numpys_weighted_covariance_of_ranks(levels: int | None) -> None:
    x, y = sample(levels=levels)
    dense = [np.unique(v, return_inverse=True)[1] + 1.0 for v in (x, y)]
    weights = np.maximum(dense[0] / dense[0].max(), dense[1] / dense[1].max()) ** 2
    covariance = np.cov(stats.rankdata(x), stats.rankdata(y), aweights=weights)
    expected = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
    np.testing.assert_allclose(top_weights(x, y), weights)
    assert weighted_spearman(x, y) == pytest.approx(expected)


def test_by_hand() -> None:
    # Ranks (1, 2, 3) and (1, 3, 2), weights 1/9, 1, 1: means 47/19 for both, covariance −1/2 + ... in ninths.
    w, x, y = np.array([1 / 9, 1, 1]), np.array([1.0, 2, 3]), np.array([1.0, 3, 2])
    mean = (1 / 9 + 5) / (19 / 9)
    top = 1 / 9 * (1 - mean) ** 2 + 2 * (2 - mean) * (3 - mean)
    bottom = 1 / 9 * (1 - mean) ** 2 + (2 - mean) ** 2 + (3 - mean) ** 2
    np.testing.assert_allclose(top_weights(x, y), w)
    assert weighted_spearman([0.1, 0.2, 0.3], [0.5, 0.9, 0.8]) == pytest.approx(top / bottom)


def test_a_wrong_top_costs_more_than_a_wrong_bottom() -> None:
    accuracies = np.arange(10.0)
    wrong_top, wrong_bottom = accuracies.copy(), accuracies.copy()
    wrong_top[[9, 7]], wrong_bottom[[0, 2]] = wrong_top[[7, 9]], wrong_bottom[[2, 0]]
    plain = [stats.spearmanr(scores, accuracies).statistic for scores in (wrong_top, wrong_bottom)]
    assert plain[0] == pytest.approx(plain[1])
    assert weighted_spearman(wrong_top, accuracies) < weighted_spearman(wrong_bottom, accuracies)
    assert weighted_spearman(accuracies, accuracies) == pytest.approx(1.0)
    assert weighted_spearman(-accuracies, accuracies) == pytest.approx(-1.0)


def test_undefined_scores_are_left_out_and_counted() -> None:
    x, y = sample(20)
    found = correlate([*x, float("nan"), float("inf")], [*y, 0.5, 0.5])
    assert (found.n, found.left_out, found.reason) == (20, 2, None)
    assert found.weighted == pytest.approx(weighted_spearman(x, y))


def test_what_has_no_correlation_says_why() -> None:
    nan = float("nan")
    assert correlate([0.9] * 4, [0.1, 0.2, 0.3, 0.4]).reason == "constant score (0.9 at all 4 checkpoints)"
    assert correlate([0.1, 0.2, 0.3], [0.5] * 3).reason == "constant accuracy (0.5 at all 3 checkpoints)"
    few = correlate([0.1, nan, 0.3], [0.5, 0.6, 0.7])
    assert (few.weighted, few.plain, few.n, few.left_out) == (None, None, 2, 1)
    assert few.reason == "fewer than 3 checkpoints (2)"
    with pytest.raises(AdaptError, match="Expected finite"):
        weighted_spearman([1, 2, nan], [1, 2, 3])
    with pytest.raises(AdaptError, match="found shapes"):
        weighted_spearman([1, 2, 3], [1, 2])
