"""CST's way back to the source against scikit-learn's ridge regression, and its entropy against the sums in NumPy."""

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.linear_model import Ridge

from adapt.errors import AdaptError
from adapt.losses import reverse_error, tsallis_entropy

N, M, D, K = 7, 6, 5, 3


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


S, T, LOGITS, Y = draw(N, D), draw(M, D, seed=1), 2 * draw(M, K, seed=2), torch.arange(N) % K


@pytest.mark.parametrize("width", [D, 3 * M])
def test_it_is_the_mean_squared_error_of_scikit_learns_ridge_regression(width: int) -> None:
    source, target = draw(N, width), draw(M, width, seed=1)
    s, t = (x.numpy() / np.linalg.norm(x.numpy(), axis=1, keepdims=True) for x in (source, target))
    labels = np.eye(K)[LOGITS.numpy().argmax(1)] - 1 / K
    found = Ridge(alpha=0.05, fit_intercept=False).fit(t, labels).predict(s)
    expected = np.mean((found - (np.eye(K)[Y.numpy()] - 1 / K)) ** 2)
    assert reverse_error(source, target, Y, LOGITS, ridge=0.05).item() == pytest.approx(expected)


def test_the_entropy_is_the_authors_sum() -> None:
    alpha, temperature = 1.9, 2.5
    p = softmax(LOGITS.numpy() / temperature, 1)
    weights = 1 + np.exp((p * np.log(p)).sum(1))
    weights = M * weights / weights.sum()
    shares = [sum(weights[i] * p[i, k] for i in range(M)) for k in range(K)]
    # Written as in their code: each sample's term has the reciprocal of the mean share, which is K / M.
    each = [1 / np.mean(shares) - sum(weights[i] * p[i, k] ** alpha / shares[k] for k in range(K)) for i in range(M)]
    expected = sum(each) / (alpha - 1)
    assert tsallis_entropy(LOGITS, index=alpha, temperature=temperature).item() == pytest.approx(expected)


def test_with_one_sample_of_weight_one_it_is_tsallis_own() -> None:
    # A batch of one: the class's mean is the sample's own p^(α − 1), so that α = 2 is Σ_k (1 − p_k).
    assert tsallis_entropy(LOGITS[:1], index=2.0, temperature=1.0).item() == pytest.approx(K - 1)


def test_gradients_equal_finite_differences_and_pseudo_labels_have_none() -> None:
    s, t, x = (z.clone().requires_grad_() for z in (S, T, LOGITS))
    assert torch.autograd.gradcheck(lambda a, b: reverse_error(a, b, Y, LOGITS, ridge=0.1), (s, t))
    reverse_error(s, t, Y, x).backward()
    assert x.grad is None
    # The weights are constants, so that the slope is that of the value with the weights held.
    weights = (1 + torch.exp((x.softmax(1) * x.log_softmax(1)).sum(1, keepdim=True))).detach()

    def held(z: torch.Tensor) -> torch.Tensor:
        p = z.softmax(1)
        return (1 - (weights * p**1.9).sum(0) / (weights * p).sum(0)).sum() / 0.9

    (expected,) = torch.autograd.grad(held(x), x)
    (found,) = torch.autograd.grad(tsallis_entropy(x, index=1.9, temperature=1.0), x)
    torch.testing.assert_close(found, expected)


def test_coinciding_features_and_a_class_that_nobody_could_be_stay_finite() -> None:
    same = torch.ones(4, 3, requires_grad=True)
    value = reverse_error(same, same, torch.arange(4) % 2, torch.eye(2).repeat(2, 1))
    value.backward()
    assert value.isfinite() and same.grad is not None and same.grad.isfinite().all()
    x = torch.tensor([[0.0, -1e4], [1.0, -1e4]], requires_grad=True)
    tsallis_entropy(x).backward()
    assert x.grad is not None and x.grad.isfinite().all()


def test_right_pseudo_labels_cost_less_than_wrong_ones() -> None:
    means = 3 * draw(K, D, seed=5)
    labels = torch.arange(M) % K
    source, target = means[Y] + 0.1 * S, means[labels] + 0.1 * T
    right, wrong = (9 * torch.eye(K, dtype=torch.float64)[y] for y in (labels, (labels + 1) % K))
    assert reverse_error(source, target, Y, right) < 0.1 * reverse_error(source, target, Y, wrong)


def test_bad_input_is_named() -> None:
    with pytest.raises(AdaptError, match=r"y \(N,\) and target_logits"):
        reverse_error(S, T, Y[:2], LOGITS)
    with pytest.raises(AdaptError, match="ridge above 0, found 0"):
        reverse_error(S, T, Y, LOGITS, ridge=0.0)
    with pytest.raises(AdaptError, match="index above 0 other than 1"):
        tsallis_entropy(LOGITS, index=1.0)
