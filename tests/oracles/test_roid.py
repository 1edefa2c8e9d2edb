"""ROID's loss, weights and correction against NumPy."""

import numpy as np
import pytest
import torch
from scipy.special import softmax
from scipy.stats import entropy as scipy_entropy

from adapt.errors import AdaptError
from adapt.losses import certainty_diversity_weights, corrected_by_prior, soft_likelihood_ratio


def logits(n: int = 30, k: int = 4) -> torch.Tensor:
    return 2 * torch.randn(n, k, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


def test_likelihood_ratio_is_the_papers_with_a_gradient_for_certain_samples() -> None:
    x = logits().requires_grad_()
    p = np.clip(softmax(x.detach().numpy(), axis=1), 0, 0.99)
    np.testing.assert_allclose(
        soft_likelihood_ratio(x).detach().numpy(), -(p * np.log(p / (1 - p) + 1e-5)).sum(1), rtol=1e-9
    )
    assert torch.autograd.gradcheck(soft_likelihood_ratio, (x,))


def test_weights_are_the_authors() -> None:
    x, mean = logits(), torch.tensor([0.7, 0.1, 0.1, 0.1], dtype=torch.float64)
    p = softmax(x.numpy(), axis=1)
    d = 1 - p @ mean.numpy() / np.linalg.norm(p, axis=1) / np.linalg.norm(mean.numpy())
    c = -scipy_entropy(p, axis=1)
    d, c = ((v - v.min()) / (v.max() - v.min()) for v in (d, c))
    expected = np.where(d < d.mean(), 0, np.exp(d * c * 3))
    found = certainty_diversity_weights(x.requires_grad_(), mean)
    assert not found.requires_grad
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-9)


def test_a_batch_of_one_sample_counts() -> None:
    assert certainty_diversity_weights(torch.tensor([[3.0, 0.0]]), torch.tensor([0.5, 0.5])).tolist() == [1.0]


def test_correction_is_bayes_with_the_smoothed_shares() -> None:
    x = logits() + torch.tensor([2.0, 0.0, 0.0, 0.0])
    p = softmax(x.numpy(), axis=1)
    mean = p.mean(0)
    smooth = max(1 / len(p), 1 / 4) / mean.max()
    prior = (mean + smooth) / (1 + 4 * smooth)
    assert prior.sum() == pytest.approx(1)
    weighted = p * prior
    np.testing.assert_allclose(
        corrected_by_prior(x).softmax(1).numpy(), weighted / weighted.sum(1, keepdims=True), rtol=1e-9
    )


def test_bad_input_is_named() -> None:
    with pytest.raises(AdaptError, match="clip"):
        soft_likelihood_ratio(torch.zeros(2, 3), clip=1.0)
    with pytest.raises(AdaptError, match="mean of 3 classes"):
        certainty_diversity_weights(torch.zeros(2, 3), torch.zeros(2))
    with pytest.raises(AdaptError, match="logits"):
        corrected_by_prior(torch.zeros(2))
