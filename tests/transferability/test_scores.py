"""Scores of pretrained networks against implementations from outside, and what they must prefer."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.stats import multivariate_normal
from sklearn.covariance import LedoitWolf
from sklearn.metrics import mutual_info_score
from torch import Tensor

from adapt.errors import AdaptError
from adapt.transferability import RANKINGS, h_score, leep, log_me, nce, rank_features, trans_rate

torch.manual_seed(0)
N, D, K = 40, 6, 3
Y = torch.arange(N) % K
X = torch.randn(N, D) + 0.7 * torch.nn.functional.one_hot(Y, D).float()
LOGITS = torch.randn(N, 5)


def test_log_me_is_the_evidence_at_its_best_noise_and_prior() -> None:
    x, n = X.double().numpy(), N
    total = 0.0
    for k in range(K):
        t = (k == Y).double().numpy()

        def negative(log_scales: np.ndarray, t: np.ndarray = t) -> float:
            alpha, beta = np.exp(log_scales)
            return -float(multivariate_normal(np.zeros(n), np.eye(n) / beta + x @ x.T / alpha).logpdf(t))

        total -= min(minimize(negative, start, method="Nelder-Mead").fun for start in ([0.0, 0.0], [2.0, 2.0])) / n
    assert float(log_me(X, Y)) == pytest.approx(total / K, abs=1e-6)


@pytest.mark.parametrize("width", [6, 60])
def test_log_me_takes_more_features_than_samples(width: int) -> None:
    torch.manual_seed(1)
    assert torch.isfinite(log_me(torch.randn(N, width), Y))


@pytest.mark.parametrize("shrinkage", [False, True])
def test_h_score_is_the_trace_of_two_covariances(shrinkage: bool) -> None:
    x = X.double().numpy()
    x = x - x.mean(0)
    means = np.stack([x[Y.numpy() == k].mean(0) for k in range(K)])[Y.numpy()]
    between = np.cov(means.T, bias=True)
    if shrinkage:
        fitted = LedoitWolf(assume_centered=True).fit(x)
        expected = np.trace(np.linalg.inv(fitted.covariance_) @ ((1 - fitted.shrinkage_) * between))
    else:
        expected = np.trace(np.linalg.pinv(np.cov(x.T, bias=True)) @ between)
    assert float(h_score(X, Y, shrinkage)) == pytest.approx(expected, rel=1e-9)


def test_h_score_without_shrinkage_is_the_sum_of_squared_canonical_correlations() -> None:
    """With the classes as the other view: the traces of both agree."""
    x, t = X.double().numpy(), np.eye(K)[Y.numpy()]
    x, t = x - x.mean(0), t - t.mean(0)
    qx, qt = np.linalg.svd(x, full_matrices=False)[0], np.linalg.svd(t, full_matrices=False)[0][:, : K - 1]
    assert float(h_score(X, Y, shrinkage=False)) == pytest.approx(float((qx.T @ qt).__pow__(2).sum()), rel=1e-9)


def test_leep_follows_its_sums() -> None:
    p = LOGITS.double().softmax(1).numpy()
    expected = 0.0
    for i in range(N):
        inner = 0.0
        for z in range(5):
            joint = sum(p[j, z] for j in range(N) if Y[j] == Y[i])
            inner += joint / p[:, z].sum() * p[i, z]
        expected += np.log(inner) / N
    assert float(leep(LOGITS, Y)) == pytest.approx(expected, rel=1e-9)


def test_nce_is_mutual_information_less_entropy() -> None:
    z = LOGITS.argmax(1)
    shares = Y.bincount().double().numpy() / N
    entropy = -(shares * np.log(shares)).sum()
    assert float(nce(z, Y)) == pytest.approx(mutual_info_score(Y, z) - entropy, rel=1e-9)


@pytest.mark.parametrize("width", [6, 60])
def test_trans_rate_follows_its_determinants(width: int) -> None:
    torch.manual_seed(2)
    given = torch.randn(N, width)
    x = given.double().numpy()
    x = x - x.mean(0)
    x = x / np.sqrt((x**2).mean())

    def rate(z: np.ndarray) -> float:
        return float(np.linalg.slogdet(np.eye(width) + z.T @ z / (len(z) * 1e-2))[1] / 2)

    expected = rate(x) - sum((k == Y).double().mean().item() * rate(x[Y.numpy() == k]) for k in range(K))
    assert float(trans_rate(given, Y, 1e-2)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", RANKINGS)
def test_features_that_tell_the_classes_score_higher_than_noise(name: str) -> None:
    torch.manual_seed(3)
    y = torch.arange(300) % K
    telling = torch.nn.functional.one_hot(y, 4).float() + 0.3 * torch.randn(300, 4)
    assert RANKINGS[name].compute(4 * telling, y) > RANKINGS[name].compute(4 * torch.randn(300, 4), y)


@pytest.mark.parametrize("score", [log_me, h_score, trans_rate])
def test_what_cannot_be_scored_is_refused(score: object) -> None:
    for x, y, said in (
        (X, Y[:-1], "features"),
        (X, torch.zeros(N, dtype=torch.long), "two classes"),
        (X.where(X < 1, torch.nan), Y, "finite"),
    ):
        with pytest.raises(AdaptError, match=said):
            score(x, y)  # type: ignore[operator]


def test_a_class_without_a_sample_does_not_count() -> None:
    apart: Tensor = Y * 5
    for score in (log_me, h_score, trans_rate):
        assert float(score(X, apart)) == pytest.approx(float(score(X, Y)), rel=1e-9)


def test_a_ranking_of_other_samples_or_without_logits_is_refused() -> None:
    with pytest.raises(AdaptError, match="one per label"):
        rank_features({"a": X[:-1]}, Y)
    with pytest.raises(AdaptError, match="a has none"):
        rank_features({"a": X}, Y, by="leep")
    assert set(rank_features({"a": X}, Y, logits={"a": LOGITS})["a"]) == set(RANKINGS)


def test_one_unit_that_is_on_or_off_tells_two_classes_and_a_dead_one_none() -> None:
    y = torch.tensor([0, 1] * 20)
    assert float(h_score(torch.stack([y.float(), torch.zeros(40)], 1), y)) == pytest.approx(1.0)
    for value in (0.0, 0.3):
        dead = torch.full((40, 3), value, dtype=torch.float64)
        assert float(h_score(dead, y)) == float(h_score(dead, y, shrinkage=False)) == 0.0
        assert torch.isfinite(log_me(dead, y))
