"""EATA's weights and its penalty against the paper's sums in NumPy."""

import numpy as np
import pytest
import torch
from scipy.special import softmax
from scipy.stats import entropy as scipy_entropy

from adapt.errors import AdaptError
from adapt.losses import differs_from_mean, fisher_penalty, reliable_weights, sample_entropy


def logits(n: int = 40, k: int = 5) -> torch.Tensor:
    return 3 * torch.randn(n, k, generator=torch.Generator().manual_seed(4), dtype=torch.float64)


def test_sample_entropy_is_scipys() -> None:
    x = logits()
    np.testing.assert_allclose(sample_entropy(x).numpy(), scipy_entropy(softmax(x.numpy(), axis=1), axis=1), rtol=1e-10)


def test_weights_are_the_papers_and_have_no_gradient() -> None:
    x = logits().requires_grad_()
    h = scipy_entropy(softmax(x.detach().numpy(), axis=1), axis=1)
    found = reliable_weights(x, 0.5)
    assert not found.requires_grad
    expected = np.where(h < 0.5, np.exp(0.5 - h), 0)
    assert 0 < (expected > 0).sum() < len(expected)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-10)


def test_different_samples_are_those_of_a_small_cosine() -> None:
    x, mean = logits(), torch.tensor([0.6, 0.1, 0.1, 0.1, 0.1], dtype=torch.float64)
    p = softmax(x.numpy(), axis=1)
    cosine = p @ mean.numpy() / np.linalg.norm(p, axis=1) / np.linalg.norm(mean.numpy())
    found = differs_from_mean(x, mean, 0.4).numpy()
    assert 0 < found.sum() < len(found)
    assert (found == (np.abs(cosine) < 0.4)).all()


def test_penalty_and_its_gradient() -> None:
    theta = [torch.tensor([1.0, 2.0], requires_grad=True), torch.tensor([[3.0]], requires_grad=True)]
    start = [torch.tensor([0.0, 2.0]), torch.tensor([[1.0]])]
    weight = [torch.tensor([0.5, 9.0]), torch.tensor([[2.0]])]
    value = fisher_penalty(theta, start, weight)
    assert value.item() == pytest.approx(0.5 + 0 + 2 * 4)
    value.backward()
    assert theta[0].grad is not None
    assert theta[0].grad.tolist() == [1.0, 0.0]


def test_bad_input_is_named() -> None:
    with pytest.raises(AdaptError, match="mean of shape"):
        differs_from_mean(torch.zeros(2, 3), torch.zeros(2), 0.5)
    with pytest.raises(AdaptError, match="same shapes"):
        fisher_penalty([torch.zeros(2)], [torch.zeros(3)], [torch.zeros(2)])
    with pytest.raises(AdaptError, match="logits"):
        reliable_weights(torch.zeros(3), 0.5)
