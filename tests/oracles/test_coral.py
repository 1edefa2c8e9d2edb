"""CORAL against np.cov."""

from typing import Literal

import numpy as np
import pytest
import torch

from adapt.errors import AdaptError
from adapt.losses import coral


def samples(n: int = 9, m: int = 14, d: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(5)
    source = torch.randn(n, d, generator=draw, dtype=torch.float64)
    return source, 2 * torch.randn(m, d, generator=draw, dtype=torch.float64) + 1


@pytest.mark.parametrize(("n", "m", "d"), [(9, 14, 4), (2, 30, 7), (5, 3, 1)])
def test_paper_scale_equals_numpys_covariances(n: int, m: int, d: int) -> None:
    source, target = samples(n, m, d)
    gap = np.cov(source.numpy(), rowvar=False) - np.cov(target.numpy(), rowvar=False)
    assert coral(source, target).item() == pytest.approx((gap**2).sum() / (4 * d**2))


def test_mean_scale_adds_the_squared_gap_of_means() -> None:
    source, target = samples()
    s, t = source.numpy(), target.numpy()
    expected = ((np.cov(s.T) - np.cov(t.T)) ** 2).mean() + ((s.mean(0) - t.mean(0)) ** 2).mean()
    assert coral(source, target, scale="mean").item() == pytest.approx(expected)


def test_paper_scale_is_blind_to_the_mean_and_quartic_in_the_units() -> None:
    source, target = samples()
    torch.testing.assert_close(coral(3 * source + 5, 3 * target - 2), 3**4 * coral(source, target))


@pytest.mark.parametrize("scale", ["paper", "mean"])
def test_gradient_equals_finite_differences_and_is_not_zero(scale: Literal["paper", "mean"]) -> None:
    source, target = (x.requires_grad_() for x in samples())
    assert torch.autograd.gradcheck(lambda s, t: coral(s, t, scale=scale), (source, target))
    coral(source, target, scale=scale).backward()
    for x in (source, target):
        assert x.grad is not None
        assert x.grad.abs().max() > 1e-3


def test_order_of_samples_does_not_matter() -> None:
    source, target = samples()
    torch.testing.assert_close(coral(source.flip(0), target.roll(4, 0)), coral(source, target))


@pytest.mark.parametrize("scale", ["paper", "mean"])
@pytest.mark.parametrize(("n", "m", "d"), [(8, 6, 40), (2, 3, 6), (64, 64, 300)])
def test_more_features_than_samples_give_the_covariances_value_and_gradient(
    n: int, m: int, d: int, scale: Literal["paper", "mean"]
) -> None:
    pair = [x.requires_grad_() for x in samples(n, m, d)]
    gap = torch.cov(pair[0].T) - torch.cov(pair[1].T)
    expected = gap.square().mean() / 4
    if scale == "mean":
        expected = 4 * expected + (pair[0].mean(0) - pair[1].mean(0)).square().mean()
    found = coral(*pair, scale=scale)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)
    for one, other in zip(torch.autograd.grad(found, pair), torch.autograd.grad(expected, pair), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-14 * other.abs().max().item())


def test_no_matrix_of_all_features_is_made() -> None:
    # 100 000 features squared would be 40 GB.
    draw = torch.Generator().manual_seed(0)
    source = torch.randn(4, 100_000, generator=draw, requires_grad=True)
    coral(source, torch.randn(5, 100_000, generator=draw)).backward()
    assert source.grad is not None
    assert source.grad.abs().max() > 0


def test_domains_that_agree_in_many_features_are_not_below_zero() -> None:
    source = 1e3 * samples(16, 2, 500)[0].float()
    for target in (source, source.flip(0), source.roll(3, 0)):
        assert 0 <= coral(source, target) < 1e-6 * coral(source, 2 * target)


def test_identical_and_coinciding_samples_give_zero_with_zero_gradient() -> None:
    for source in (samples()[0], torch.full((6, 4), 3.0, dtype=torch.float64)):
        source.requires_grad_()
        loss = coral(source, source.detach().clone(), scale="mean")
        loss.backward()
        assert loss.item() == 0
        assert source.grad is not None
        assert torch.equal(source.grad, torch.zeros_like(source))


def test_half_precision_does_not_overflow() -> None:
    source, target = (100 * x for x in samples(200, 300))
    expected = coral(source.half().double(), target.half().double())
    torch.testing.assert_close(coral(source.half(), target.half()).double(), expected, rtol=1e-4, atol=0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(
            coral(source.float(), target.float()).double(), coral(source, target), rtol=1e-6, atol=0
        )


def test_bad_input_is_named() -> None:
    with pytest.raises(AdaptError, match="at least 2 samples"):
        coral(torch.zeros(1, 3), torch.zeros(4, 3))
    with pytest.raises(AdaptError, match="one width"):
        coral(torch.zeros(4, 3), torch.zeros(4, 2))
    with pytest.raises(AdaptError, match="flatten"):
        coral(torch.zeros(4), torch.zeros(4))
    with pytest.raises(AdaptError, match="sum"):
        coral(torch.zeros(4, 3), torch.zeros(4, 3), scale="sum")  # type: ignore[arg-type]
