"""Scores against NumPy, SciPy, scikit-learn and closed forms, on domains of unequal size."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.special import log_softmax, logsumexp, softmax
from scipy.stats import entropy as scipy_entropy
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, adjusted_mutual_info_score, silhouette_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from adapt import losses
from adapt.errors import AdaptError
from adapt.selection import scores

N, M, D, K = 23, 37, 5, 4


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


SOURCE, TARGET = draw(N, D), 1.5 * draw(M, D, seed=1) + 0.4
SOURCE_LOGITS, LOGITS = 2 * draw(N, K, seed=2), 2 * draw(M, K, seed=3)
Y = torch.arange(N) % K
WEIGHTS = draw(N, seed=4).exp()
CERTAIN = 200 * torch.eye(K, dtype=torch.float64)


def test_source_accuracy_is_scikit_learns() -> None:
    expected = accuracy_score(Y.numpy(), SOURCE_LOGITS.numpy().argmax(1))
    assert scores.source_accuracy(SOURCE_LOGITS, Y).item() == pytest.approx(expected)


def test_entropy_is_scipys_with_the_sign_turned() -> None:
    expected = -scipy_entropy(softmax(LOGITS.numpy(), axis=1), axis=1).mean()
    assert scores.entropy(LOGITS).item() == pytest.approx(expected)


def test_information_maximisation_is_the_mean_divergence_from_the_mean_prediction() -> None:
    # The mutual information, written as a Kullback–Leibler divergence.
    p = softmax(LOGITS.numpy(), axis=1)
    expected = scipy_entropy(p, p.mean(0, keepdims=True), axis=1).mean()
    assert scores.information_maximisation(LOGITS).item() == pytest.approx(expected)


def test_bnm_is_numpys_nuclear_norm_over_its_bound() -> None:
    for logits in (LOGITS, LOGITS[:3]):  # more samples than classes, and fewer
        norm = np.linalg.norm(softmax(logits.numpy(), axis=1), "nuc")
        expected = norm / math.sqrt(len(logits) * min(logits.shape))
        assert scores.bnm(logits).item() == pytest.approx(expected)


def test_softmax_correlation_is_the_cosine_with_the_identity() -> None:
    p = softmax(LOGITS.numpy(), axis=1)
    c, r = (p.T @ p / M).ravel(), np.eye(K).ravel()
    expected = c @ r / (np.linalg.norm(c) * np.linalg.norm(r))
    assert scores.softmax_correlation(LOGITS).item() == pytest.approx(expected)


@pytest.mark.parametrize("score", [scores.information_maximisation, scores.bnm, scores.softmax_correlation])
def test_certain_and_balanced_predictions_are_best_and_a_collapse_is_not(score: Callable[[Tensor], Tensor]) -> None:
    balanced, collapsed = CERTAIN.repeat(6, 1), CERTAIN[:1].repeat(24, 1)
    best = math.log(K) if score is scores.information_maximisation else 1.0
    assert score(balanced).item() == pytest.approx(best)
    assert score(collapsed).item() < score(LOGITS).item() < best
    assert scores.entropy(collapsed).item() == pytest.approx(0)  # which entropy alone does not see


@pytest.mark.parametrize("temperature", [0.05, 0.5])
def test_snd_is_the_entropy_of_scipys_softmax_over_the_other_samples(temperature: float) -> None:
    p = softmax(LOGITS.numpy(), axis=1)
    p /= np.linalg.norm(p, axis=1, keepdims=True)
    others = (p @ p.T / temperature)[~np.eye(M, dtype=bool)].reshape(M, M - 1)
    expected = scipy_entropy(softmax(others, axis=1), axis=1).mean()
    assert scores.snd(LOGITS, temperature=temperature).item() == pytest.approx(expected)


def test_snd_of_clusters_is_the_logarithm_of_the_number_of_neighbours() -> None:
    # Different certain predictions are orthogonal: their weight is e^-20.
    assert scores.snd(CERTAIN.repeat(6, 1)).item() == pytest.approx(math.log(5), abs=1e-5)
    assert scores.snd(CERTAIN[:1].repeat(24, 1)).item() == pytest.approx(math.log(23))


def test_mmd_is_the_loss_with_the_sign_turned() -> None:
    assert scores.mmd(SOURCE, TARGET).item() == pytest.approx(-losses.mmd(SOURCE, TARGET).item())
    assert scores.mmd(TARGET, SOURCE).item() == pytest.approx(-losses.mmd(SOURCE, TARGET).item())


def test_coral_is_numpys_covariance_gap_and_does_not_depend_on_the_features_size() -> None:
    s, t = SOURCE.numpy(), TARGET.numpy()
    variance = np.concatenate([s, t]).var(0, ddof=1).mean()
    gap = (np.cov(s.T) - np.cov(t.T)) / variance
    expected = -(gap**2).sum() / (4 * D**2)
    assert scores.coral(SOURCE, TARGET).item() == pytest.approx(expected)
    assert scores.coral(1e-3 * SOURCE, 1e-3 * TARGET).item() == pytest.approx(expected)


def test_silhouette_is_scikit_learns() -> None:
    classes = LOGITS.argmax(1)
    assert scores.silhouette(TARGET, LOGITS).item() == pytest.approx(silhouette_score(TARGET.numpy(), classes.numpy()))
    clustered = TARGET + 9 * classes[:, None]
    assert scores.silhouette(clustered, LOGITS).item() > 0.5


def test_silhouette_of_a_class_with_one_sample_of_coinciding_samples_and_of_one_class() -> None:
    logits = CERTAIN[[0] * 9 + [1] * 8 + [2]]
    x = TARGET[: len(logits)]
    expected = silhouette_score(x.numpy(), logits.argmax(1).numpy())
    assert scores.silhouette(x, logits).item() == pytest.approx(expected)
    assert scores.silhouette(torch.ones(18, D), logits).item() == 0
    assert scores.silhouette(x, CERTAIN[:1].repeat(18, 1)).item() == -1


@pytest.mark.parametrize("block", [1, 7, 36, 1000])
def test_blocks_give_what_the_whole_gives(block: int) -> None:
    torch.testing.assert_close(scores.snd(LOGITS, block=block), scores.snd(LOGITS))
    torch.testing.assert_close(scores.silhouette(TARGET, LOGITS, block=block), scores.silhouette(TARGET, LOGITS))
    torch.testing.assert_close(scores.mmd(SOURCE, TARGET, block=block), scores.mmd(SOURCE, TARGET))


def test_pairwise_scores_hold_no_matrix_of_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    largest = 0

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            nonlocal largest
            out = func(*args, **kwargs or {})
            largest = max(largest, out.numel() if isinstance(out, Tensor) else 0)
            return out

    monkeypatch.setattr("adapt.selection.scores.blocks.LEAST_ROWS", 1)
    monkeypatch.setattr("adapt.selection.scores.blocks.ENTRIES", 4000)
    features, logits = draw(600, 3), draw(600, K)
    with Watch():
        scores.snd(logits), scores.silhouette(features, logits), scores.mmd(features, features + 1)
    assert 600 * K <= largest <= 6000  # of 360 000 pairs, and 1 440 000 for the pooled domains


def test_log_odds_are_those_of_scikit_learns_fit_on_the_other_half() -> None:
    of_source, of_target = scores.domain_log_odds(SOURCE, TARGET, regularisation=0.3)
    even = torch.cat([SOURCE[::2], TARGET[::2]]).numpy()
    domain = [0] * len(SOURCE[::2]) + [1] * len(TARGET[::2])
    fit = make_pipeline(StandardScaler(), LogisticRegression(C=1 / 0.3, class_weight="balanced", tol=1e-10))
    fit.fit(even, domain)
    np.testing.assert_allclose(of_source[1::2], fit.decision_function(SOURCE[1::2].numpy()), atol=5e-3)
    np.testing.assert_allclose(of_target[1::2], fit.decision_function(TARGET[1::2].numpy()), atol=5e-3)


def test_log_odds_approach_the_gaussians_own_ratio_whatever_the_domains_sizes() -> None:
    # Of unit Gaussians around 0 and (a, 0, 0) the logarithm of the ratio is a x₁ − a²/2.
    source, target = draw(4000, 3), draw(1500, 3, seed=1) + torch.tensor([1.2, 0, 0])
    of_source, of_target = scores.domain_log_odds(source, target)
    torch.testing.assert_close(of_source, 1.2 * source[:, 0] - 0.72, atol=0.35, rtol=0)
    assert of_source.exp().mean().item() == pytest.approx(1, abs=0.1)
    # Bayes' error of the two Gaussians is Φ(−a/2).
    error = 0.5 * math.erfc(0.6 / math.sqrt(2))
    assert scores.a_distance(of_source, of_target).item() == pytest.approx(-2 * (1 - 2 * error), abs=0.05)


def test_a_distance_counts_both_domains_alike() -> None:
    of_source, of_target = torch.tensor([-1.0, -2.0, 3.0, -1.0]), torch.tensor([1.0, -1.0])
    assert scores.a_distance(of_source, of_target).item() == pytest.approx(-2 * (1 - 2 * (0.25 + 0.5) / 2))
    assert scores.a_distance(-torch.ones(3), torch.ones(7)).item() == -2


def test_iwcv_and_dev_are_numpys_formulas() -> None:
    w, wrong = WEIGHTS.numpy(), SOURCE_LOGITS.numpy().argmax(1) != Y.numpy()
    nll = -log_softmax(SOURCE_LOGITS.numpy(), axis=1)[np.arange(N), Y.numpy()]
    np.testing.assert_allclose(nll, logsumexp(SOURCE_LOGITS, axis=1) - SOURCE_LOGITS.numpy()[np.arange(N), Y])
    for risk, loss in (("error", wrong.astype(float)), ("cross_entropy", nll)):
        weighted = w * loss
        eta = -np.cov(weighted, w)[0, 1] / np.var(w, ddof=1)
        arguments = (SOURCE_LOGITS, Y, WEIGHTS)
        assert scores.iwcv(*arguments, risk=risk).item() == pytest.approx(-weighted.mean())  # type: ignore[arg-type]
        expected = -(weighted.mean() + eta * w.mean() - eta)
        assert scores.dev(*arguments, risk=risk).item() == pytest.approx(expected)  # type: ignore[arg-type]


def test_the_control_variate_takes_the_weights_noise_off() -> None:
    # Where every loss is the same, the weighted risk is a multiple of the weights' mean, and DEV knows it exactly.
    wrong = CERTAIN[(Y + 1) % K]
    assert scores.dev(wrong, Y, WEIGHTS).item() == pytest.approx(-1)
    assert scores.iwcv(wrong, Y, WEIGHTS).item() == pytest.approx(-WEIGHTS.mean().item())
    unweighted = scores.dev(SOURCE_LOGITS, Y, torch.ones(N)).item()
    assert unweighted == pytest.approx(scores.source_accuracy(SOURCE_LOGITS, Y).item() - 1)


def test_class_ami_is_scikit_learns_and_draws_no_global_number() -> None:
    state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[union-attr]  # noqa: NPY002
    found = scores.class_ami(TARGET, LOGITS, seed=3).item()
    clusters = KMeans(K, n_init=10, random_state=3).fit_predict(TARGET.numpy())
    assert found == pytest.approx(adjusted_mutual_info_score(LOGITS.argmax(1).numpy(), clusters))
    assert scores.class_ami(TARGET + 50 * LOGITS.argmax(1)[:, None], LOGITS).item() == pytest.approx(1)
    assert torch.equal(torch.get_rng_state(), state)
    assert (np.random.get_state()[1] == numpy_state).all()  # type: ignore[index]  # noqa: NPY002


def test_reverse_validation_is_scikit_learns_way_back() -> None:
    classes = LOGITS.argmax(1)
    target, source = TARGET + classes[:, None], SOURCE + Y[:, None]
    back = make_pipeline(StandardScaler(), LogisticRegression(C=1 / 0.5)).fit(target.numpy(), classes.numpy())
    expected = back.score(source.numpy(), Y.numpy())
    found = scores.reverse_validation(source, Y, target, LOGITS, regularisation=0.5).item()
    assert 1 / K < found < 1
    assert found == pytest.approx(expected)
    one_class = CERTAIN[2:3].repeat(M, 1)
    assert scores.reverse_validation(source, Y, target, one_class).item() == pytest.approx((Y == 2).double().mean())


def test_half_precision_is_taken_and_constant_features_are_no_error() -> None:
    assert scores.snd(LOGITS.half()).item() == pytest.approx(scores.snd(LOGITS).item(), rel=1e-2)
    assert scores.mmd(SOURCE.bfloat16(), TARGET.bfloat16()).dtype == torch.float32
    same = torch.ones(N, D), torch.ones(M, D)
    assert scores.mmd(*same).item() == scores.coral(*same).item() == 0
    assert scores.a_distance(*scores.domain_log_odds(*same)).item() == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: scores.source_accuracy(SOURCE_LOGITS, Y[1:]), "one source label per sample"),
        (lambda: scores.entropy(LOGITS[0]), "logits"),
        (lambda: scores.snd(LOGITS[:1]), "at least 2 samples"),
        (lambda: scores.snd(LOGITS, temperature=0), "temperature above 0"),
        (lambda: scores.mmd(SOURCE, TARGET[:, 1:]), "one width"),
        (lambda: scores.domain_log_odds(SOURCE * torch.nan, TARGET), "finite"),
        (lambda: scores.domain_log_odds(SOURCE, TARGET, regularisation=0), "above 0"),
        (lambda: scores.iwcv(SOURCE_LOGITS, Y, -WEIGHTS), "at least 0"),
        (lambda: scores.dev(SOURCE_LOGITS[:1], Y[:1], WEIGHTS[:1]), "at least 2"),
        (lambda: scores.dev(SOURCE_LOGITS, Y, WEIGHTS, risk="hinge"), "hinge"),  # type: ignore[arg-type]
        (lambda: scores.a_distance(torch.ones(0), torch.ones(3)), "at least one"),
        (lambda: scores.silhouette(TARGET[1:], LOGITS), "beside"),
        (lambda: scores.class_ami(TARGET[:3], LOGITS[:3]), "N ≥ K"),
        (lambda: scores.class_ami(TARGET / 0, LOGITS), "finite"),
        (lambda: scores.reverse_validation(SOURCE, Y[1:], TARGET, LOGITS), "labels"),
        (lambda: scores.reverse_validation(SOURCE, Y, TARGET / 0, LOGITS), "finite"),
    ],
)
def test_bad_input_is_named(call: Callable[[], Tensor], message: str) -> None:
    with pytest.raises(AdaptError, match=message):
        call()
