"""The virtual adversarial loss against SciPy's relative entropy, its direction against the exact eigenvector."""

import numpy as np
import pytest
import torch
from scipy.special import softmax
from scipy.stats import entropy

from adapt.errors import AdaptError
from adapt.losses import virtual_adversarial, virtual_adversarial_direction


def test_equals_scipys_mean_relative_entropy() -> None:
    draw = torch.Generator().manual_seed(0)
    q, p = (2 * torch.randn(9, 4, generator=draw, dtype=torch.float64) for _ in range(2))
    expected = np.mean([entropy(a, b) for a, b in zip(softmax(p.numpy(), 1), softmax(q.numpy(), 1), strict=True)])
    assert virtual_adversarial(q, p).item() == pytest.approx(expected)


def test_only_the_perturbed_logits_learn() -> None:
    q, p = (torch.randn(5, 3, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(lambda x: virtual_adversarial(x, p), (q,))
    virtual_adversarial(q, p).backward()
    assert p.grad is None
    assert q.grad is not None


def test_equal_logits_cost_nothing() -> None:
    x = torch.randn(1, 3)
    assert virtual_adversarial(x, x + 5).item() == pytest.approx(0, abs=1e-6)


def test_the_direction_is_the_fisher_matrixs_first_eigenvector() -> None:
    # Of a softmax of W x the divergence's second derivative is Wᵀ (diag p − p pᵀ) W.
    torch.manual_seed(0)
    weights, x = torch.randn(4, 6, dtype=torch.float64), torch.randn(3, 6, dtype=torch.float64)
    found = virtual_adversarial_direction(lambda v: v @ weights.T, x, step=1e-4, iterations=60)
    for row, d in zip(x, found, strict=True):
        p = softmax((weights @ row).numpy())
        fisher = weights.numpy().T @ (np.diag(p) - np.outer(p, p)) @ weights.numpy()
        first = np.linalg.eigh(fisher)[1][:, -1]
        assert abs(d.numpy() @ first) == pytest.approx(1, abs=1e-4)


def test_one_iteration_of_images_has_unit_length_and_changes_more_than_a_random_one() -> None:
    torch.manual_seed(1)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
    x = torch.randn(32, 3, 4, 4)
    d = virtual_adversarial_direction(network, x)
    assert d.flatten(1).norm(dim=1).tolist() == pytest.approx([1.0] * 32, abs=1e-5)
    other = torch.nn.functional.normalize(torch.randn(32, 48), dim=1).view_as(x)
    with torch.no_grad():
        worst, random = (virtual_adversarial(network(x + v), network(x)) for v in (d, other))
    assert worst > 2 * random
    assert all(p.grad is None for p in network.parameters())


def test_where_nothing_changes_the_prediction_the_direction_is_zero() -> None:
    assert (virtual_adversarial_direction(lambda x: torch.zeros(len(x), 2) + 0 * x.sum(), torch.ones(2, 3)) == 0).all()


def test_texts_and_odd_arguments_are_named() -> None:
    with pytest.raises(AdaptError, match="texts"):
        virtual_adversarial_direction(lambda x: x, torch.ones(2, 3, dtype=torch.int64))
    with pytest.raises(AdaptError, match="iteration"):
        virtual_adversarial_direction(lambda x: x, torch.ones(2, 3), iterations=0)
    with pytest.raises(AdaptError, match="two views"):
        virtual_adversarial(torch.ones(2, 3), torch.ones(3, 3))
