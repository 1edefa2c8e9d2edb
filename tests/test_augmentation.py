"""What the batched augmentations do, read off images whose colours are coordinates."""

import math

import pytest
import torch

from adapt.errors import AdaptError
from adapt.layers import Augmentation, StrongAugmentation, WeakAugmentation
from adapt.layers.augmentation import (
    Cutout,
    FeatureDropout,
    GaussianNoise,
    RandomAffine,
    RandomIntensity,
    RandomInversion,
)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def coordinates(n: int, height: int = 40, width: int = 40) -> torch.Tensor:
    rows, columns = torch.meshgrid(torch.arange(height).float(), torch.arange(width).float(), indexing="ij")
    return torch.stack([columns - (width - 1) / 2, rows - (height - 1) / 2]).expand(n, 2, height, width)


def fitted(affine: RandomAffine, n: int = 200, height: int = 40, width: int = 40) -> tuple[torch.Tensor, torch.Tensor]:
    """Matrices `(n, 2, 2)` and moves `(n, 2)` in pixels, by least squares around the centre."""
    x = coordinates(n, height, width)
    inner = (slice(None), slice(None), slice(height // 2 - 4, height // 2 + 4), slice(width // 2 - 4, width // 2 + 4))
    found = affine(x)[inner].flatten(2).mT
    at = x[inner].flatten(2).mT
    solution = torch.linalg.lstsq(torch.cat([at, torch.ones_like(at[..., :1])], 2), found).solution
    return solution[:, :2].mT, solution[:, 2]


@pytest.mark.parametrize(("height", "width"), [(40, 40), (32, 48)])
def test_a_turn_is_a_rotation_in_pixels_with_its_own_angle_for_every_sample(height: int, width: int) -> None:
    matrices, moves = fitted(RandomAffine(rotation=20.0), height=height, width=width)
    torch.testing.assert_close(matrices @ matrices.mT, torch.eye(2).expand(200, 2, 2), atol=1e-3, rtol=0)
    angles = torch.atan2(matrices[:, 1, 0], matrices[:, 0, 0]).rad2deg()
    assert angles.abs().max() <= 20
    assert angles.std() == pytest.approx(20 / math.sqrt(3), rel=0.15)
    assert moves.abs().max() < 1e-3


def test_scale_shear_and_move_stay_in_their_ranges_and_fill_them() -> None:
    scaled, _ = fitted(RandomAffine(scale=0.2))
    sides = scaled.diagonal(dim1=1, dim2=2)
    assert 0.8 <= sides.min() < 0.83
    assert 1.17 < sides.max() <= 1.2
    sheared, _ = fitted(RandomAffine(shear=0.3))
    assert 0.27 < sheared[:, 0, 1].abs().max() <= 0.3 + 1e-4
    _, moved = fitted(RandomAffine(translation=0.1))
    assert 3.8 < moved.abs().max() <= 4 + 1e-3


def test_every_sample_of_a_batch_of_equal_ones_is_changed_in_its_own_way() -> None:
    image, vector = torch.rand(1, 3, 16, 16).expand(6, -1, -1, -1), torch.rand(6, 8).sort(0).values
    image_steps = [RandomAffine(10.0), RandomIntensity(0.5), RandomIntensity(0.0, 0.5), Cutout(), GaussianNoise()]
    for step in [*image_steps, StrongAugmentation()]:
        changed = step(image).flatten(1)
        assert len(changed.unique(dim=0)) == 6, step
    for step in (GaussianNoise(), FeatureDropout(0.5), StrongAugmentation(dropout=0.3)):
        changed = step(vector) - vector
        assert len(changed.unique(dim=0)) == 6, step


def test_noise_is_in_standard_deviations_of_the_column_or_the_image() -> None:
    vectors = torch.randn(20_000, 3) * torch.tensor([0.1, 1.0, 50.0]) + 7
    noise = GaussianNoise(0.3)(vectors) - vectors
    torch.testing.assert_close(noise.std(0), 0.3 * vectors.std(0), rtol=0.05, atol=0)
    images = torch.randn(4, 3, 100, 100) * torch.tensor([0.1, 1.0, 2.0, 50.0]).view(4, 1, 1, 1)
    noise = GaussianNoise(0.3)(images) - images
    torch.testing.assert_close(noise.std((1, 2, 3)), 0.3 * images.std((1, 2, 3)), rtol=0.05, atol=0)


def test_intensity_keeps_the_mean_under_gain_and_the_contrast_under_offset() -> None:
    x = torch.rand(50, 3, 8, 8)
    gained, moved = RandomIntensity(gain=0.5)(x), RandomIntensity(offset=0.5)(x)
    torch.testing.assert_close(gained.mean((1, 2, 3)), x.mean((1, 2, 3)))
    ratio = gained.std((1, 2, 3)) / x.std((1, 2, 3))
    assert 0.5 <= ratio.min() < 0.6
    assert 1.4 < ratio.max() <= 1.5
    torch.testing.assert_close(moved.std((1, 2, 3)), x.std((1, 2, 3)))


def test_a_negative_swaps_the_ends_of_the_range_and_comes_at_the_given_rate() -> None:
    x = torch.tensor([0.0, 0.25, 1.0]).view(1, 1, 1, 3).expand(4000, 1, 1, 3)
    changed = RandomInversion(0.3)(x).flatten(1)
    inverted = (changed == torch.tensor([1.0, 0.75, 0.0])).all(1)
    assert torch.equal(changed[~inverted], x.flatten(1)[~inverted])
    assert inverted.float().mean() == pytest.approx(0.3, abs=0.03)
    # In another normalisation the same images come out: the range is the image's own, over all of its channels.
    colour = torch.stack([torch.full((2, 2), value) for value in (-1.0, 0.5, 3.0)])[None]
    assert RandomInversion(1.0)(colour)[0, :, 0, 0].tolist() == [3.0, 1.5, -1.0]
    assert torch.equal(Augmentation(inversion=1.0)(Augmentation(inversion=1.0)(colour)), colour)


def test_a_chain_without_inversion_draws_what_it_always_drew() -> None:
    x = torch.rand(5, 3, 16, 16)
    RandomInversion(0.0)(x)
    drawn = torch.rand(1)
    torch.manual_seed(0)
    assert torch.equal(torch.rand(5, 3, 16, 16), x)
    assert torch.equal(torch.rand(1), drawn)


def test_cutout_paints_one_square_of_at_most_its_side_with_the_mean() -> None:
    x = torch.rand(100, 3, 20, 20)
    changed = Cutout(0.5)(x)
    painted = (changed != x).all(1)
    assert painted.any(2).sum(1).max() <= 10
    assert painted.any(1).sum(1).max() <= 10
    assert (painted.sum((1, 2)) == painted.any(2).sum(1) * painted.any(1).sum(1)).all()
    assert painted.sum((1, 2)).float().std() > 5
    mean = x.mean((2, 3), keepdim=True).expand_as(x)
    assert torch.equal(changed[painted[:, None].expand_as(x)], mean[painted[:, None].expand_as(x)])


def test_dropped_features_become_their_mean_at_the_given_rate() -> None:
    x = torch.randn(2000, 5) + 3
    changed = FeatureDropout(0.2)(x)
    dropped = changed != x
    assert dropped.float().mean() == pytest.approx(0.2, abs=0.02)
    assert torch.equal(changed[dropped], x.mean(0).expand_as(x)[dropped])


def test_magnitude_zero_changes_nothing_and_no_default_mirrors() -> None:
    x = torch.rand(5, 1, 16, 16)
    torch.testing.assert_close(Augmentation()(x), x)
    torch.testing.assert_close(Augmentation()(x[:, 0, 0]), x[:, 0, 0])
    matrices, _ = fitted(StrongAugmentation().image[0])
    assert (torch.linalg.det(matrices) > 0).all()


def test_the_same_random_state_gives_the_same_views_and_no_gradient() -> None:
    x = torch.rand(5, 3, 16, 16, requires_grad=True)
    views = []
    for _ in range(2):
        torch.manual_seed(3)
        views.append(StrongAugmentation()(x))
    assert torch.equal(*views)
    assert not views[0].requires_grad
    assert not torch.equal(views[0], StrongAugmentation()(x))


def test_bad_magnitudes_and_inputs_are_named() -> None:
    with pytest.raises(AdaptError, match="std of at least 0"):
        WeakAugmentation(noise=-1.0)
    with pytest.raises(AdaptError, match="scale below 1"):
        RandomAffine(scale=1.0)
    with pytest.raises(AdaptError, match="rate between 0 and 1"):
        Augmentation(inversion=1.5)
    with pytest.raises(AdaptError, match="images"):
        WeakAugmentation()(torch.zeros(3, 4, 5, 6, 7))
