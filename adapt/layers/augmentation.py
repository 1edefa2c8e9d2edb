"""Random changes of a batch on its device; every sample gets its own."""

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import affine_grid, grid_sample

from adapt.errors import AdaptError
from adapt.layers.series import SeriesAugmentation, strong_series, weak_series


class RandomAffine(nn.Module):
    """Rotate, scale, shear and shift each image of `(N, C, H, W)`, each by its own amounts, uniform in ±magnitude.

    Args:
        rotation: Degrees.
        scale: Share by which a side grows or shrinks, below 1; drawn separately for each axis.
        shear: Tangent of the shear angle of the x axis.
        translation: Share of the side, along each axis.
        padding: What fills the space beyond the edge: the `border` pixels, the image's `reflection`, or `zeros`.
    """

    def __init__(
        self,
        rotation: float = 0.0,
        scale: float = 0.0,
        shear: float = 0.0,
        translation: float = 0.0,
        padding: Literal["border", "reflection", "zeros"] = "border",
    ) -> None:
        super().__init__()
        check_magnitudes(self, rotation=rotation, scale=scale, shear=shear, translation=translation)
        if scale >= 1:
            raise AdaptError(f"RandomAffine expects a scale below 1, found {scale}.")
        self.rotation, self.scale, self.shear, self.translation = rotation, scale, shear, translation
        self.padding = padding

    def forward(self, x: Tensor) -> Tensor:
        """Images of the same shape."""
        angle = math.radians(self.rotation) * _uniform(x)
        scale = 1 + self.scale * _uniform(x, 2)
        lean = self.shear * _uniform(x)
        # The grid spans [−1, 1], so a side is 2.
        move = 2 * self.translation * _uniform(x, 2)
        sin, cos = angle.sin(), angle.cos()
        # Every side spans 2, whatever its pixels: without this a rotation would shear an oblong image.
        oblong = x.shape[2] / x.shape[3]
        rows = [
            torch.stack([scale[:, 0] * cos, scale[:, 1] * (lean * cos - sin) * oblong, move[:, 0]], 1),
            torch.stack([scale[:, 0] * sin / oblong, scale[:, 1] * (lean * sin + cos), move[:, 1]], 1),
        ]
        grid = affine_grid(torch.stack(rows, 1), list(x.shape), align_corners=False)
        return grid_sample(x, grid.to(x.dtype), padding_mode=self.padding, align_corners=False)


class RandomIntensity(nn.Module):
    """Change each image's contrast about its mean, and its brightness.

    Args:
        gain: Share by which the contrast grows or shrinks.
        offset: Largest change of brightness, in standard deviations of the image's pixels.
    """

    def __init__(self, gain: float = 0.0, offset: float = 0.0) -> None:
        super().__init__()
        check_magnitudes(self, gain=gain, offset=offset)
        self.gain, self.offset = gain, offset

    def forward(self, x: Tensor) -> Tensor:
        """Images of the same shape `(N, C, H, W)`."""
        std, mean = torch.std_mean(x, (1, 2, 3), correction=0, keepdim=True)
        gain, offset = (_uniform(x).to(x.dtype).view(-1, 1, 1, 1) for _ in range(2))
        return x + self.gain * gain * (x - mean) + self.offset * offset * std


class RandomInversion(nn.Module):
    """Turn some images into their negatives, so that a network learns dark and bright digits alike.

    An image keeps its range of values, with any normalisation: its darkest value becomes its brightest.

    Args:
        rate: Probability for each image.

    Raises:
        AdaptError: `rate` is not between 0 and 1.
    """

    def __init__(self, rate: float = 0.5) -> None:
        super().__init__()
        if not 0 <= rate <= 1:
            raise AdaptError(f"RandomInversion expects a rate between 0 and 1, found {rate}.")
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """Images of the same shape `(N, C, H, W)`."""
        if self.rate == 0:  # draws nothing, so chains without inversion keep their random numbers
            return x
        inverted = torch.rand(len(x), 1, 1, 1, device=x.device) < self.rate
        middle = x.amin((1, 2, 3), keepdim=True) + x.amax((1, 2, 3), keepdim=True)
        return torch.where(inverted, middle - x, x)


class Cutout(nn.Module):
    """Paint one square of each image with the image's mean colour.

    DeVries and Taylor 2017, https://arxiv.org/abs/1708.04552, with a random side, as in FixMatch.

    Args:
        side: Longest side, as a share of the image's shorter one; drawn uniformly from 0 up to it.
    """

    def __init__(self, side: float = 0.5) -> None:
        super().__init__()
        check_magnitudes(self, side=side)
        self.side = side

    def forward(self, x: Tensor) -> Tensor:
        """Images of the same shape `(N, C, H, W)`."""
        height, width = x.shape[2:]
        half = 0.5 * self.side * min(height, width) * torch.rand(len(x), 1, device=x.device)
        row = height * torch.rand(len(x), 1, device=x.device)
        column = width * torch.rand(len(x), 1, device=x.device)
        in_rows = (torch.arange(height, device=x.device) + 0.5 - row).abs() <= half
        in_columns = (torch.arange(width, device=x.device) + 0.5 - column).abs() <= half
        inside = (in_rows[:, :, None] & in_columns[:, None, :])[:, None]
        return torch.where(inside, x.mean((2, 3), keepdim=True), x)


class GaussianNoise(nn.Module):
    """Add noise to every value.

    Args:
        std: In standard deviations of each feature over the batch for `(N, d)`, of each image for `(N, C, H, W)`.
    """

    def __init__(self, std: float = 0.1) -> None:
        super().__init__()
        check_magnitudes(self, std=std)
        self.std = std

    def forward(self, x: Tensor) -> Tensor:
        """Inputs of the same shape."""
        scale = x.std(0 if x.ndim == 2 else (1, 2, 3), correction=0, keepdim=True)
        return x + self.std * scale * torch.randn_like(x)


class FeatureDropout(nn.Module):
    """Replace some features of each sample of `(N, d)` by their mean over the batch.

    The mean and not 0, because 0 is not a possible value of many measurements.

    Args:
        rate: Probability for each feature.
    """

    def __init__(self, rate: float = 0.1) -> None:
        super().__init__()
        check_magnitudes(self, rate=rate)
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """Vectors of the same shape."""
        return torch.where(torch.rand_like(x) < self.rate, x.mean(0), x)


class Augmentation(nn.Module):
    """A chain of the changes above: dropout and noise for vectors, all but dropout for images.

    Time series `(N, C, L)` have their own changes, see `SeriesAugmentation`: here `noise` is its jitter and `gain` its
    scaling. The weak and the strong augmentation use TS-TCC's settings.

    Every sample gets its own random numbers from torch's generator, so a continued run repeats them. The chain also
    acts in evaluation mode. Images are not flipped, because a mirrored digit is not that digit.

    Args:
        rotation: Largest rotation, in degrees.
        scale: Largest growth or shrinking of a side.
        shear: Largest tangent of the shear angle.
        translation: Largest shift, as a share of the side.
        gain: Largest change of contrast, as a share of it.
        offset: Largest change of brightness, in standard deviations of the image's pixels.
        cutout: Longest side of the painted square, as a share of the image's shorter side.
        noise: Standard deviation of the noise, in the units of `GaussianNoise`.
        dropout: Probability of replacing a feature of a vector by its mean.
        padding: What fills the space beyond a shifted image's edge.
        inversion: Probability of turning an image into its negative.

    Raises:
        AdaptError: A magnitude is negative. When called: the inputs are neither images nor vectors.
    """

    def __init__(
        self,
        rotation: float = 0.0,
        scale: float = 0.0,
        shear: float = 0.0,
        translation: float = 0.0,
        gain: float = 0.0,
        offset: float = 0.0,
        cutout: float = 0.0,
        noise: float = 0.0,
        dropout: float = 0.0,
        padding: Literal["border", "reflection", "zeros"] = "border",
        inversion: float = 0.0,
    ) -> None:
        super().__init__()
        noisy = GaussianNoise(noise)
        affine = RandomAffine(rotation, scale, shear, translation, padding)
        intensity = [RandomInversion(inversion), RandomIntensity(gain, offset)]
        self.image = nn.Sequential(affine, *intensity, Cutout(cutout), noisy)
        self.vector = nn.Sequential(FeatureDropout(dropout), noisy)
        self.series = SeriesAugmentation(jitter=noise, scaling=gain)

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """Changed images `(N, C, H, W)`, series `(N, C, L)` or vectors `(N, d)`, without gradient."""
        chains: dict[int, nn.Module] = {4: self.image, 3: self.series, 2: self.vector}
        if not isinstance(x, Tensor) or x.ndim not in chains or not x.is_floating_point():
            found = f"{x.dtype} of shape {tuple(x.shape)}" if isinstance(x, Tensor) else f"a {type(x).__name__}"
            raise AdaptError(
                f"{type(self).__name__} expects images (N, C, H, W), series (N, C, L) or vectors (N, d) of floats, "
                f"found {found}: give the method an augmentation of your own, a module from inputs to inputs."
            )
        changed: Tensor = chains[x.ndim](x)
        return changed


class WeakAugmentation(Augmentation):
    """FixMatch's weak augmentation without its flip: shifts of up to 12.5 %, and a little noise for vectors.

    Sohn et al. 2020, https://arxiv.org/abs/2001.07685.

    Args:
        translation: Largest shift, as a share of the side.
        noise: Standard deviation of the noise, in the units of `GaussianNoise`.
        padding: What fills the space beyond a shifted image's edge.
    """

    def __init__(
        self,
        translation: float = 0.125,
        noise: float = 0.05,
        padding: Literal["border", "reflection", "zeros"] = "border",
    ) -> None:
        super().__init__(translation=translation, noise=noise, padding=padding)
        self.series = weak_series()


class StrongAugmentation(Augmentation):
    """All changes at once, and larger. It replaces FixMatch's RandAugment, which needs 8-bit colours.

    Sohn et al. 2020, https://arxiv.org/abs/2001.07685; RandAugment: Cubuk et al. 2020,
    https://arxiv.org/abs/1909.13719.

    Args:
        rotation: Largest rotation, in degrees.
        scale: Largest growth or shrinking of a side.
        shear: Largest tangent of the shear angle.
        translation: Largest shift, as a share of the side.
        gain: Largest change of contrast, as a share of it.
        offset: Largest change of brightness, in standard deviations of the image's pixels.
        cutout: Longest side of the painted square, as a share of the image's shorter side.
        noise: Standard deviation of the noise, in the units of `GaussianNoise`.
        dropout: Probability of replacing a feature of a vector by its mean.
        padding: What fills the space beyond a shifted image's edge.
    """

    def __init__(
        self,
        rotation: float = 20.0,
        scale: float = 0.2,
        shear: float = 0.2,
        translation: float = 0.125,
        gain: float = 0.5,
        offset: float = 0.5,
        cutout: float = 0.5,
        noise: float = 0.2,
        dropout: float = 0.1,
        padding: Literal["border", "reflection", "zeros"] = "border",
    ) -> None:
        super().__init__(rotation, scale, shear, translation, gain, offset, cutout, noise, dropout, padding)
        self.series = strong_series()


def check_magnitudes(module: nn.Module, **magnitudes: float) -> None:
    """Refuse negative magnitudes.

    Raises:
        AdaptError: One is negative.
    """
    for name, value in magnitudes.items():
        if value < 0:
            raise AdaptError(f"{type(module).__name__} expects {name} of at least 0, found {value}.")


def _uniform(x: Tensor, columns: int | None = None) -> Tensor:
    shape = (len(x),) if columns is None else (len(x), columns)
    return 2 * torch.rand(shape, device=x.device) - 1
