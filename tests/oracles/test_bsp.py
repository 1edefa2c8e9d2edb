"""Batch spectral penalization against NumPy's singular values."""

import numpy as np
import pytest
import torch

from adapt.encoding import Encoding
from adapt.errors import AdaptError
from adapt.losses import bsp
from adapt.penalties import BSP


def samples(n: int = 9, m: int = 14, d: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(5)
    source = torch.randn(n, d, generator=draw, dtype=torch.float64)
    return source, 2 * torch.randn(m, d, generator=draw, dtype=torch.float64) + 1


@pytest.mark.parametrize(("n", "m", "d", "k"), [(9, 14, 4, 1), (9, 14, 4, 3), (2, 30, 7, 2), (5, 3, 1, 1)])
def test_equals_numpys_singular_values(n: int, m: int, d: int, k: int) -> None:
    source, target = samples(n, m, d)
    expected = sum((np.linalg.svd(x.numpy(), compute_uv=False)[:k] ** 2).sum() for x in (source, target))
    assert bsp(source, target, k=k).item() == pytest.approx(expected)


def test_all_singular_values_make_the_frobenius_norm() -> None:
    source, target = samples()
    torch.testing.assert_close(bsp(source, target, k=4), source.square().sum() + target.square().sum())


def test_gradient_equals_finite_differences_and_descent_shrinks_the_leading_direction_alone() -> None:
    source, target = (x.requires_grad_() for x in samples())
    assert torch.autograd.gradcheck(bsp, (source, target))
    before = torch.linalg.svdvals(target.detach())
    for x, gradient in zip((source, target), torch.autograd.grad(bsp(source, target), (source, target)), strict=True):
        u, s, vt = np.linalg.svd(x.detach().numpy(), full_matrices=False)
        np.testing.assert_allclose(gradient, 2 * s[0] * np.outer(u[:, 0], vt[0]), atol=1e-12)
    after = torch.linalg.svdvals((target - 0.01 * gradient).detach())
    torch.testing.assert_close(after, before * torch.tensor([0.98, 1.0, 1.0, 1.0]).double())


def test_order_of_samples_and_rotations_do_not_matter() -> None:
    source, target = samples()
    turn = torch.linalg.qr(torch.randn(4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64))[0]
    torch.testing.assert_close(bsp(source.flip(0) @ turn, target.roll(4, 0)), bsp(source, target))


def test_zero_features_give_zero_with_zero_gradient() -> None:
    source = torch.zeros(6, 4, requires_grad=True)
    loss = bsp(source, torch.zeros(3, 4))
    loss.backward()
    assert loss.item() == 0
    assert source.grad is not None
    assert torch.equal(source.grad, torch.zeros_like(source))


def test_half_precision_does_not_overflow() -> None:
    source, target = (100 * x for x in samples(200, 300))
    expected = bsp(source.half().double(), target.half().double())
    torch.testing.assert_close(bsp(source.half(), target.half()).double(), expected, rtol=1e-4, atol=0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = bsp(source.float(), target.float()).double()
    torch.testing.assert_close(found, bsp(source, target), rtol=1e-5, atol=0)


def test_the_penalty_is_the_weighted_loss_of_the_features() -> None:
    source, target = samples()
    encodings = [Encoding(x, torch.zeros(len(x), 2)) for x in (source, target)]
    torch.testing.assert_close(BSP()(*encodings), 1e-4 * bsp(source, target))
    torch.testing.assert_close(BSP(0.3, k=2)(*encodings), 0.3 * bsp(source, target, k=2))


def test_bad_input_is_named() -> None:
    with pytest.raises(AdaptError, match="one width"):
        bsp(torch.zeros(4, 3), torch.zeros(4, 2))
    with pytest.raises(AdaptError, match="between 1 and the 2"):
        bsp(torch.zeros(4, 3), torch.zeros(2, 3), k=3)
