"""Information maximisation against SciPy's entropies, pseudo-labels against a NumPy loop over SciPy's distances."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from scipy.special import softmax
from scipy.stats import entropy

from adapt.errors import AdaptError
from adapt.losses import centroid_labels, information_maximisation


def logits(n: int = 7, k: int = 3) -> torch.Tensor:
    return 2 * torch.randn(n, k, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


def domain(n: int = 60, d: int = 5, k: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(8)
    features = torch.randn(n, d, generator=draw, dtype=torch.float64) + 0.5
    weight = torch.randn(d, k, generator=draw, dtype=torch.float64)
    return features, features @ weight + torch.randn(n, k, generator=draw, dtype=torch.float64)


def by_hand(features: np.ndarray, logits: np.ndarray, rounds: int, threshold: int, code: bool) -> np.ndarray:
    if code:
        features = np.hstack([features, np.ones((len(features), 1))])
        features /= np.linalg.norm(features, axis=1, keepdims=True)
    weights, labels = softmax(logits, axis=1), logits.argmax(1)
    for _ in range(rounds):
        counts = np.bincount(labels, minlength=logits.shape[1])
        kept = [k for k, count in enumerate(counts) if count > threshold]
        centroids = [np.average(features, axis=0, weights=weights[:, k]) for k in kept]
        labels = np.array(kept)[cdist(features, centroids, "cosine").argmin(1)]
        weights = np.eye(logits.shape[1])[labels]
    return labels


@pytest.mark.parametrize(("n", "k"), [(7, 3), (1, 5), (40, 2)])
def test_information_equals_scipys_entropies(n: int, k: int) -> None:
    p = softmax(logits(n, k).numpy(), axis=1)
    certainty, spread = entropy(p, axis=1).mean(), entropy(p.mean(0))
    assert information_maximisation(logits(n, k)).item() == pytest.approx(certainty - spread)
    assert information_maximisation(logits(n, k), diversity=False).item() == pytest.approx(certainty)
    assert information_maximisation(logits(n, k), entropy=False).item() == pytest.approx(-spread)


def test_its_gradient_equals_finite_differences_and_is_not_zero() -> None:
    x = logits().requires_grad_()
    assert torch.autograd.gradcheck(information_maximisation, x)
    information_maximisation(x).backward()
    assert x.grad is not None
    assert x.grad.abs().max() > 1e-3


def test_it_is_lowest_for_certain_predictions_of_every_class_and_zero_for_one_class_alone() -> None:
    certain = 1e3 * torch.eye(4)
    assert information_maximisation(certain).item() == pytest.approx(-math.log(4))
    one = certain[[2, 2, 2]].requires_grad_()
    value = information_maximisation(one)
    value.backward()
    assert value.item() == pytest.approx(0)
    assert one.grad is not None
    assert torch.isfinite(one.grad).all()
    assert information_maximisation(torch.zeros(5, 4)).item() == pytest.approx(0)


def test_it_does_not_depend_on_order_or_on_a_constant_in_the_logits() -> None:
    x = logits()
    shifted = x.flip(0) + torch.arange(len(x))[:, None]
    torch.testing.assert_close(information_maximisation(shifted), information_maximisation(x))
    torch.testing.assert_close(
        information_maximisation(x.half()).double(), information_maximisation(x), rtol=1e-2, atol=1e-3
    )


@pytest.mark.parametrize("code", [False, True])
@pytest.mark.parametrize(("rounds", "threshold"), [(1, 0), (2, 0), (3, 0), (2, 12)])
def test_labels_equal_a_numpy_loop(rounds: int, threshold: int, code: bool) -> None:
    features, scores = domain()
    found = centroid_labels(
        features, scores, rounds=rounds, threshold=threshold, variant="code" if code else "paper"
    ).numpy()
    np.testing.assert_array_equal(found, by_hand(features.numpy(), scores.numpy(), rounds, threshold, code))
    assert (found != scores.argmax(1).numpy()).sum() > 5


def test_the_options_change_the_labels() -> None:
    features, scores = domain()
    base = centroid_labels(features, scores)
    for options in ({"rounds": 1}, {"threshold": 12}, {"variant": "code"}):
        assert not torch.equal(centroid_labels(features, scores, **options), base)


def test_clusters_are_found_where_the_classifier_cuts_through_them() -> None:
    draw = torch.Generator().manual_seed(1)
    angle = torch.linspace(0, 2 * math.pi, 4)[:3, None] + 0.15 * torch.randn(3, 50, generator=draw)
    features = torch.stack([angle.cos(), angle.sin()], -1).flatten(0, 1)
    y = torch.arange(3).repeat_interleave(50)
    turned = angle.flatten() - 0.9  # the classifier's boundaries lie 52 degrees off
    scores = 4 * torch.stack([turned.cos(), (turned - 2 * math.pi / 3).cos(), (turned + 2 * math.pi / 3).cos()], 1)
    assert (scores.argmax(1) == y).float().mean() < 0.9
    assert torch.equal(centroid_labels(features, scores), y)


def test_a_class_that_nobody_predicts_is_left_out() -> None:
    features, scores = domain()
    scores[:, 1] -= 50
    assert set(centroid_labels(features, scores).tolist()) == {0, 2, 3}


def test_units_and_precision_of_the_features_do_not_matter_and_zeros_are_allowed() -> None:
    features, scores = domain()
    expected = centroid_labels(features, scores)
    assert torch.equal(centroid_labels(100 * features, scores), expected)
    assert (centroid_labels(100 * features.half(), scores.half()) == expected).double().mean() > 0.95
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(centroid_labels(features.float(), scores.float()), expected)
    features[0] = 0
    assert centroid_labels(features, scores).max() < 4


def test_bad_input_is_named() -> None:
    features, scores = domain()
    with pytest.raises(AdaptError, match="found neither"):
        information_maximisation(scores, entropy=False, diversity=False)
    with pytest.raises(AdaptError, match="at least one sample"):
        information_maximisation(scores[:0])
    with pytest.raises(AdaptError, match="same samples"):
        centroid_labels(features[1:], scores)
    with pytest.raises(AdaptError, match="no class with more than 60"):
        centroid_labels(features, scores, threshold=60)
    with pytest.raises(AdaptError, match="rounds >= 1"):
        centroid_labels(features, scores, rounds=0)
    with pytest.raises(AdaptError, match="'paper' or 'code'"):
        centroid_labels(features, scores, variant="paperr")  # type: ignore[arg-type]
