"""ATDOC's stored predictions and its weighted loss against NumPy and scikit-learn."""

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.metrics import log_loss

from adapt.errors import AdaptError
from adapt.losses import sharpened, weighted_pseudo_labels


def draw(n: int, k: int, seed: int) -> torch.Tensor:
    return 2 * torch.randn(n, k, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_sharpened_predictions_are_the_papers() -> None:
    x = draw(7, 4, 0)
    p = softmax(x.numpy(), 1)
    expected = [[p[i, k] ** 2 / sum(p[j, k] ** 2 for j in range(7)) for k in range(4)] for i in range(7)]
    np.testing.assert_allclose(sharpened(x).numpy(), expected)
    assert not sharpened(x.requires_grad_()).requires_grad


def test_a_class_that_nobody_could_be_stays_finite() -> None:
    assert sharpened(torch.tensor([[0.0, -1e4], [1.0, -1e4]])).isfinite().all()


def test_the_loss_is_scikit_learns_weighted_log_loss() -> None:
    x, votes = draw(9, 4, 0), draw(9, 4, 1).softmax(1)
    weights, labels = votes.numpy().max(1), votes.numpy().argmax(1)
    expected = log_loss(labels, softmax(x.numpy(), 1), labels=range(4), sample_weight=weights)
    assert weighted_pseudo_labels(x, votes).item() == pytest.approx(expected)


def test_the_gradient_equals_finite_differences_and_votes_have_none() -> None:
    x, votes = draw(5, 3, 0).requires_grad_(), draw(5, 3, 1).softmax(1).requires_grad_()
    assert torch.autograd.gradcheck(lambda z: weighted_pseudo_labels(z, votes), (x,))
    weighted_pseudo_labels(x, votes).backward()
    assert votes.grad is None


def test_without_votes_nothing_is_learned_and_bad_shapes_are_named() -> None:
    assert weighted_pseudo_labels(draw(5, 3, 0), torch.zeros(5, 3)).item() == 0
    with pytest.raises(AdaptError, match="as the logits"):
        weighted_pseudo_labels(draw(5, 3, 0), torch.zeros(5, 2))
