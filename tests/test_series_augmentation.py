"""What the changes of time series do, read off ramps and sines."""

import math

import pytest
import torch

from adapt.errors import AdaptError
from adapt.layers import Augmentation, SeriesAugmentation, StrongAugmentation, WeakAugmentation
from adapt.layers.series import permute_segments, rotate_sensor, time_warp


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def ramps(n: int = 64, channels: int = 3, length: int = 50) -> torch.Tensor:
    return torch.arange(float(length)).expand(n, channels, length).clone()


def test_a_rotation_keeps_lengths_and_turns_all_triples_by_one_angle_in_range() -> None:
    x = torch.randn(200, 6, 20, dtype=torch.float64)
    found = rotate_sensor(x, 40.0)
    for triple in (slice(0, 3), slice(3, 6)):
        assert torch.allclose(found[:, triple].norm(dim=1), x[:, triple].norm(dim=1))
    # Each sample's turn, by least squares from both triples at once.
    at, to = (v.view(200, 2, 3, 20).transpose(1, 2).reshape(200, 3, 40) for v in (x, found))
    turn = to @ torch.linalg.pinv(at)
    assert torch.allclose(turn @ turn.mT, torch.eye(3, dtype=torch.float64).expand_as(turn), atol=1e-9)
    angle = torch.rad2deg(((turn.diagonal(dim1=1, dim2=2).sum(1) - 1) / 2).clamp(-1, 1).acos())
    assert angle.max() <= 40
    assert angle.max() > 35
    assert torch.linalg.det(turn).allclose(torch.ones(200, dtype=torch.float64))


def test_a_permutation_keeps_the_values_and_cuts_every_channel_alike() -> None:
    found = permute_segments(ramps(), 5)
    assert torch.equal(found.sort(2).values, ramps())
    assert torch.equal(found[:, 0], found[:, 2])
    jumps = (found[:, 0].diff(dim=1) != 1).sum(1)
    assert 0 < jumps.max() <= 4
    assert jumps.float().mean() > 1
    assert (jumps == 0).any()  # one piece


def test_warped_time_runs_from_first_to_last_step_and_never_back() -> None:
    found = time_warp(ramps(), 0.5)
    assert (found.diff(dim=2) >= 0).all()
    assert torch.allclose(found[..., 0], torch.zeros(64, 3))
    assert torch.allclose(found[..., -1], torch.full((64, 3), 49.0), atol=1e-3)
    assert (found - ramps()).abs().amax((1, 2)).mean() > 1


def test_jitter_is_in_the_channels_own_units() -> None:
    x = torch.sin(torch.linspace(0, 60, 4000)).repeat(8, 2, 1) * torch.tensor([[1.0], [100.0]])
    noise = SeriesAugmentation(jitter=0.1)(x) - x
    assert (noise.std(2) / x.std(2)).flatten().tolist() == pytest.approx([0.1] * 16, rel=0.1)


def test_scaling_has_one_factor_for_each_channel() -> None:
    x = ramps(400) + 1
    factor = SeriesAugmentation(scaling=0.2)(x) / x
    assert factor.std(2).max() < 1e-5
    assert factor[..., 0].std().item() == pytest.approx(0.2, rel=0.1)


def test_the_methods_own_augmentations_take_series() -> None:
    x = torch.randn(4, 5, 32)
    for augmentation in (WeakAugmentation(), StrongAugmentation(), Augmentation(noise=0.1)):
        found = augmentation(x)
        assert found.shape == x.shape
        assert not torch.equal(found, x)
    assert torch.equal(Augmentation()(x), x)


def test_odd_inputs_and_sizes_are_named() -> None:
    with pytest.raises(AdaptError, match="channels"):
        SeriesAugmentation(rotation=10.0)(torch.randn(2, 4, 8))
    with pytest.raises(AdaptError, match="time_warp"):
        SeriesAugmentation(time_warp=-1.0)
    with pytest.raises(AdaptError, match="series"):
        SeriesAugmentation()(torch.randn(2, 4))
    with pytest.raises(AdaptError, match="dict"):
        WeakAugmentation()({"ids": torch.ones(2, 3)})
    assert math.isfinite(SeriesAugmentation(jitter=0.1, scaling=0.1)(torch.ones(2, 1, 8)).sum())
