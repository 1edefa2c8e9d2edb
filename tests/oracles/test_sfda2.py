"""SF(DA)² against NumPy's covariances, the paper's sums written out, and features that are really drawn."""

import numpy as np
import pytest
import torch
from scipy.special import log_softmax, softmax

from adapt.errors import AdaptError
from adapt.losses import ClassMoments, disentanglement, ifa, snc, with_batch

M, K, D, NEAR = 40, 3, 4, 2


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


FEATURES, LOGITS, WEIGHTS = draw(M, D), 2 * draw(M, K, seed=1), draw(K, D, seed=2)
LABELS = torch.randint(0, K, (M,), generator=torch.Generator().manual_seed(3))
ROOTS = draw(K, D, D, seed=4)
SPREAD = ROOTS @ ROOTS.mT / D
SCORES = (2 * draw(30, K, seed=5)).softmax(1)
NEIGHBOURS = draw(M, NEAR, K, seed=6).softmax(2)


def test_snc_equals_the_papers_sums() -> None:
    p, s = softmax(LOGITS.numpy(), 1), NEIGHBOURS.numpy()
    near = [sum(p[i] @ s[i, k] for k in range(NEAR)) for i in range(M)]
    others = [sum((p[i] @ p[j]) ** 2 for j in range(M) if j != i) for i in range(M)]
    expected = np.mean([0.7 * o - a for a, o in zip(near, others, strict=True)])
    assert snc(LOGITS, NEIGHBOURS, dispersion=0.7).item() == pytest.approx(expected)


@pytest.mark.parametrize("batch", [1, 7, M])
def test_batches_of_any_size_add_up_to_numpys_mean_and_covariance(batch: int) -> None:
    moments = ClassMoments.empty(K + 1, FEATURES)
    for at in range(0, M, batch):
        moments = with_batch(moments, FEATURES[at : at + batch], LABELS[at : at + batch])
    for k in range(K):
        own = FEATURES[k == LABELS].numpy()
        np.testing.assert_allclose(moments.means[k], own.mean(0))
        np.testing.assert_allclose(moments.covariances[k], np.cov(own.T, bias=True))
    assert moments.counts.tolist() == [*np.bincount(LABELS), 0]
    assert moments.covariances[K].abs().sum() == 0  # of no sample


def test_ifa_equals_the_papers_sums() -> None:
    z, w, spread, ratio = LOGITS.numpy(), WEIGHTS.numpy(), SPREAD.numpy(), 1.7
    total = 0.0
    for i in range(M):
        for c in range(K):
            own = spread[z[i].argmax()]
            raised = [z[i, k] + ratio / 2 * (w[k] - w[c]) @ own @ (w[k] - w[c]) for k in range(K)]
            total -= 2 * log_softmax(raised)[c]
    assert ifa(LOGITS, WEIGHTS, SPREAD, strength=ratio).item() == pytest.approx(total / M)


def test_ifa_bounds_the_loss_of_features_that_are_drawn() -> None:
    # No bias: the drawn features' logits are the logits of their sum.
    features, ratio = draw(5, D, seed=7), 0.3
    logits = features @ WEIGHTS.T
    root = torch.linalg.cholesky(ratio * SPREAD[logits.argmax(1)])
    noise = draw(20000, 5, D, 1, seed=8)
    drawn = features + (root @ noise)[..., 0]
    mean = -2 * (drawn @ WEIGHTS.T).log_softmax(2).sum(2).mean()
    bound, plain = ifa(logits, WEIGHTS, SPREAD, strength=ratio), ifa(logits, WEIGHTS, SPREAD, strength=0.0)
    assert plain + 0.1 < mean < bound


def test_disentanglement_equals_the_sums_over_pairs() -> None:
    s, spread = SCORES.numpy(), SPREAD.numpy()
    mean = [s[s.argmax(1) == k].mean(0) for k in range(K)]
    expected = 0.0
    for a in range(K):
        for b in range(a):
            cosine = (spread[a] * spread[b]).sum() / np.linalg.norm(spread[a]) / np.linalg.norm(spread[b])
            expected -= mean[a] @ mean[b] * (1 - cosine)
    assert disentanglement(SPREAD, SCORES).item() == pytest.approx(expected)


def test_a_class_that_none_is_predicted_as_is_left_out() -> None:
    scores = torch.tensor([[0.6, 0.3, 0.1], [0.3, 0.6, 0.1]], dtype=torch.float64)
    seen = disentanglement(SPREAD[:2], scores[:, :2])
    # The third class's mean prediction is unknown; the small probability of it in the others' adds 0.1 · 0.1.
    unlike = 1 - torch.cosine_similarity(SPREAD[0].flatten(), SPREAD[1].flatten(), dim=0)
    assert disentanglement(SPREAD, scores).item() == pytest.approx((seen - 0.01 * unlike).item())


def test_gradients_equal_finite_differences() -> None:
    x, w = FEATURES[:8].clone().requires_grad_(), WEIGHTS.clone().requires_grad_()
    before = ClassMoments(torch.full((K,), 5.0, dtype=torch.float64), draw(K, D, seed=9), SPREAD)

    def loss(features: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        moments = with_batch(before, features, LABELS[:8])
        logits = features @ weights.T
        return ifa(logits, weights, moments.covariances, strength=0.5) + disentanglement(moments.covariances, SCORES)

    assert torch.autograd.gradcheck(loss, (x, w))
    assert torch.autograd.gradcheck(lambda z: snc(z, NEIGHBOURS[:8]), (LOGITS[:8].clone().requires_grad_(),))


def test_covariances_of_nothing_have_a_finite_gradient() -> None:
    x = FEATURES[:1].clone().requires_grad_()
    moments = with_batch(ClassMoments.empty(K, x), x, LABELS[:1])
    loss = ifa(x @ WEIGHTS.T, WEIGHTS, moments.covariances, strength=1.0) + disentanglement(moments.covariances, SCORES)
    (gradient,) = torch.autograd.grad(loss, x)
    assert torch.isfinite(gradient).all()


def test_bad_input_is_named() -> None:
    with pytest.raises(AdaptError, match=r"snc expects a dispersion of at least 0, found -1"):
        snc(LOGITS, NEIGHBOURS, dispersion=-1.0)
    with pytest.raises(AdaptError, match=r"with_batch expects features \(M, 4\) as before"):
        with_batch(ClassMoments.empty(K, FEATURES), FEATURES[:, :2], LABELS)
    with pytest.raises(AdaptError, match=r"ifa expects a strength of at least 0"):
        ifa(LOGITS, WEIGHTS, SPREAD, strength=-1.0)
    with pytest.raises(AdaptError, match=r"ifa expects weights \(K, d\) and covariances \(K, d, d\) of the 3 classes"):
        ifa(LOGITS, WEIGHTS[:2], SPREAD, strength=1.0)
    with pytest.raises(AdaptError, match=r"disentanglement expects predictions \(N, 3\)"):
        disentanglement(SPREAD, SCORES[:, :2])
    with pytest.raises(AdaptError, match=r"disentanglement expects covariances \(K, d, d\)"):
        disentanglement(SPREAD[0], SCORES)
