"""The divergence from known class shares against SciPy's relative entropy."""

import pytest
import torch
from scipy.special import softmax
from scipy.stats import entropy

from adapt.errors import AdaptError
from adapt.losses import label_proportions


def test_equals_scipys_relative_entropy_of_the_mean() -> None:
    logits = 2 * torch.randn(11, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    shares = torch.tensor([0.5, 0.3, 0.2, 0.0], dtype=torch.float64)
    expected = entropy(shares.numpy(), softmax(logits.numpy(), 1).mean(0))
    assert label_proportions(logits, shares).item() == pytest.approx(expected)
    assert torch.autograd.gradcheck(lambda x: label_proportions(x, shares), (logits.requires_grad_(),))


def test_a_class_that_nobody_predicts_has_a_finite_loss() -> None:
    logits = torch.tensor([[200.0, 0.0]], requires_grad=True)
    loss = label_proportions(logits, torch.tensor([0.5, 0.5]))
    loss.backward()
    assert loss.item() == pytest.approx(100 - 0.6931, abs=0.01)
    assert torch.isfinite(logits.grad).all()  # type: ignore[arg-type]


def test_another_number_of_shares_is_named() -> None:
    with pytest.raises(AdaptError, match="3 classes"):
        label_proportions(torch.zeros(2, 3), torch.ones(2))
