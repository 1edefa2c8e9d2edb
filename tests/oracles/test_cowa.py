"""CoWA's confidence against scikit-learn's and SciPy's Gaussians, and its weighted loss against the sums in NumPy."""

import numpy as np
import pytest
import torch
from scipy.special import log_softmax, logsumexp, softmax
from scipy.stats import multivariate_normal

from adapt.errors import AdaptError
from adapt.losses import joint_confidence, weighted_targets

N, D, K, RIDGE = 40, 4, 3, 1e-3


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


CLASSES = torch.arange(N) % K
FEATURES = 2 * draw(K, D, seed=9)[CLASSES] + 0.5 * draw(N, D)
LOGITS = 2 * torch.eye(K, dtype=torch.float64)[CLASSES] + draw(N, K, seed=1)


def log_posteriors(x: np.ndarray, shares: np.ndarray, spread: np.ndarray) -> np.ndarray:
    found = []
    for k in range(K):
        mean = np.average(x, axis=0, weights=shares[:, k])
        covariance = np.einsum("n,ni,nj->ij", spread[:, k], x - mean, x - mean) / spread[:, k].sum()
        gaussian = multivariate_normal(mean, covariance + RIDGE * np.eye(D))
        found.append(gaussian.logpdf(x) + np.log(shares[:, k].mean()))
    joint = np.stack(found, 1)
    return joint - logsumexp(joint, 1, keepdims=True)


def test_posteriors_and_scores_are_the_papers() -> None:
    x = FEATURES.numpy() / np.linalg.norm(FEATURES.numpy(), axis=1, keepdims=True)
    p = softmax(LOGITS.numpy(), 1)
    first = np.exp(log_posteriors(x, p, np.ones_like(p)))
    second = log_posteriors(x, first, first)
    gaps = np.sort(second, 1)[:, -1] - np.sort(second, 1)[:, -2]
    expected = gaps / gaps.max() * p[np.arange(N), second.argmax(1)]
    posteriors, scores = joint_confidence(FEATURES, LOGITS, ridge=RIDGE)
    np.testing.assert_allclose(posteriors.numpy(), np.exp(second), atol=1e-9)
    np.testing.assert_allclose(scores.numpy(), expected, rtol=1e-7)


def test_clusters_correct_the_model_and_doubt_is_where_they_disagree() -> None:
    features = 3 * torch.eye(K, D, dtype=torch.float64)[CLASSES] + 0.3 * draw(N, D)
    wrong = 4 * torch.eye(K, dtype=torch.float64)[CLASSES] + draw(N, K, seed=1)
    wrong[:3] = 3 * torch.eye(K, dtype=torch.float64)[(CLASSES[:3] + 1) % K]
    posteriors, scores = joint_confidence(features, wrong, ridge=RIDGE)
    assert torch.equal(posteriors.argmax(1), CLASSES)
    assert scores[:3].max() < scores[3:].median()


def test_a_class_that_nobody_is_and_more_dimensions_than_samples_stay_finite() -> None:
    never = LOGITS.clone()
    never[:, 2] = -1e4
    for features in (FEATURES.float(), draw(N, 3 * N).float()):
        posteriors, scores = joint_confidence(features, never.float())
        assert posteriors.isfinite().all() and scores.isfinite().all()
        assert scores.min() >= 0 and scores.max() <= 1
        assert posteriors.dtype == scores.dtype == torch.float32


def test_the_loss_is_the_weighted_sum_over_all_samples() -> None:
    targets, weights = draw(N, K, seed=3).softmax(1), draw(N, seed=4).sigmoid()
    each = -(targets.numpy() * log_softmax(LOGITS.numpy(), 1)).sum(1)
    assert weighted_targets(LOGITS, targets, weights).item() == pytest.approx((weights.numpy() * each).mean())


def test_the_gradient_equals_finite_differences_and_labels_have_none() -> None:
    x, targets, weights = draw(5, K).requires_grad_(), draw(5, K).softmax(1).requires_grad_(), torch.ones(5).double()
    assert torch.autograd.gradcheck(lambda z: weighted_targets(z, targets.detach(), weights), (x,))
    weighted_targets(x, targets, weights).backward()
    assert targets.grad is None


def test_bad_input_is_named() -> None:
    with pytest.raises(AdaptError, match="of 2 classes or more of the same samples"):
        joint_confidence(FEATURES[:3], LOGITS)
    with pytest.raises(AdaptError, match="ridge above 0"):
        joint_confidence(FEATURES, LOGITS, ridge=0.0)
    with pytest.raises(AdaptError, match="one weight each"):
        weighted_targets(LOGITS, LOGITS, torch.ones(3))
