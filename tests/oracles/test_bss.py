"""Batch spectral shrinkage against NumPy's singular values."""

import numpy as np
import pytest
import torch
from torch import nn

from adapt.backbones import Identity
from adapt.data import Labelled
from adapt.encoding import Encoding
from adapt.errors import AdaptError
from adapt.losses import bss
from adapt.regularisers import BSS, Network


def samples(n: int = 9, d: int = 4) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(5), dtype=torch.float64) + 1


@pytest.mark.parametrize(("n", "d", "k"), [(9, 4, 1), (9, 4, 3), (3, 7, 2), (5, 1, 1)])
def test_equals_numpys_smallest_singular_values(n: int, d: int, k: int) -> None:
    features = samples(n, d)
    expected = (np.linalg.svd(features.numpy(), compute_uv=False)[-k:] ** 2).sum()
    assert bss(features, k=k).item() == pytest.approx(expected)


def test_all_singular_values_make_the_frobenius_norm() -> None:
    torch.testing.assert_close(bss(samples(), k=4), samples().square().sum())


def test_gradient_equals_finite_differences_and_descent_shrinks_the_last_direction_alone() -> None:
    features = samples().requires_grad_()
    assert torch.autograd.gradcheck(lambda f: bss(f, k=2), features)
    (gradient,) = torch.autograd.grad(bss(features), features)
    u, s, vt = np.linalg.svd(features.detach().numpy(), full_matrices=False)
    np.testing.assert_allclose(gradient, 2 * s[-1] * np.outer(u[:, -1], vt[-1]), atol=1e-12)
    after = torch.linalg.svdvals((features - 0.01 * gradient).detach())
    np.testing.assert_allclose(after, s * [1, 1, 1, 0.98])


def test_order_of_samples_and_rotations_do_not_matter() -> None:
    turn = torch.linalg.qr(torch.randn(4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64))[0]
    torch.testing.assert_close(bss(samples().flip(0) @ turn, k=2), bss(samples(), k=2))


def test_collapsed_features_give_zero_with_a_finite_gradient() -> None:
    features = torch.ones(6, 4, requires_grad=True)
    loss = bss(features)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-10)
    assert features.grad is not None and torch.isfinite(features.grad).all()


def test_half_precision_does_not_overflow() -> None:
    features = 300 * samples(200)
    torch.testing.assert_close(bss(features.half()).double(), bss(features.half().double()), rtol=1e-4, atol=0)


def test_the_regulariser_is_the_weighted_loss_and_takes_what_a_small_batch_has() -> None:
    features = samples(2, 4)
    network = Network(Identity((4,)), nn.Identity(), nn.Linear(4, 2))
    batch = Labelled(features, torch.zeros(2).long(), torch.arange(2))
    found = BSS(0.3, k=5)(network, batch, Encoding(features, torch.zeros(2, 2)))
    torch.testing.assert_close(found, 0.3 * features.square().sum())


def test_bad_input_is_named() -> None:
    with pytest.raises(AdaptError, match="between 1 and the 2"):
        bss(torch.zeros(2, 3), k=3)
    with pytest.raises(AdaptError, match="features"):
        bss(torch.zeros(2, 3, 4))
