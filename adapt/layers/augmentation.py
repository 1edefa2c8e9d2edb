"""Random changes of a batch on its device, drawn anew for every sample."""

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import affine_grid, grid_sample

from adapt.errors import AdaptError
from adapt.layers.series import SeriesAugmentation, strong_series, weak_series


class RandomAffine(nn.Module):
    """Turn, scale, shear and move each image of `(N, C, H, W)` by its own amounts, uniform in ±the magnitudes.

    Args:
        rotation: Degrees.
        scale: Share by which a side grows or shrinks, below 1; each axis has its own.
        shear: Tangent of the angle by which the x axis leans.
        translation: Share of the side, along each axis.
        padding: What lies beyond the edge: the `border`'s pixels, the image's `reflection`, or `zeros`.
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
        # A side spans 2 whatever its pixels: without this an oblong image would be sheared by a turn.
        oblong = x.shape[2] / x.shape[3]
        rows = [
            torch.stack([scale[:, 0] * cos, scale[:, 1] * (lean * cos - sin) * oblong, move[:, 0]], 1),
            torch.stack([scale[:, 0] * sin / oblong, scale[:, 1] * (lean * sin + cos), move[:, 1]], 1),
        ]
        grid = affine_grid(torch.stack(rows, 1), list(x.shape), align_corners=False)
        return grid_sample(x, grid.to(x.dtype), padding_mode=self.padding, align_corners=False)


class RandomIntensity(nn.Module):
    """Stretch each image's contrast about its mean, and add to its brightness.

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
    """Turn some images into their negatives: of two digits that differ in polarity alone, a network learns one.

    An image keeps its range, whatever the data is normalised to: its darkest value becomes its brightest.

    Args:
        rate: Probability of each image.

    Raises:
        AdaptError: It is no probability.
    """

    def __init__(self, rate: float = 0.5) -> None:
        super().__init__()
        if not 0 <= rate <= 1:
            raise AdaptError(f"RandomInversion expects a rate between 0 and 1, found {rate}.")
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """Images of the same shape `(N, C, H, W)`."""
        if self.rate == 0:  # draws nothing, so that chains without it keep their random numbers
            return x
        inverted = torch.rand(len(x), 1, 1, 1, device=x.device) < self.rate
        middle = x.amin((1, 2, 3), keepdim=True) + x.amax((1, 2, 3), keepdim=True)
        return torch.where(inverted, middle - x, x)


class Cutout(nn.Module):
    """Paint one square of each image with the image's mean colour.

    DeVries and Taylor 2017, https://arxiv.org/abs/1708.04552, with a side that is drawn too, as FixMatch does.

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
    """Replace some features of each sample of `(N, d)` by the batch's mean of them.

    The mean and not 0, which for many measurements is no value at all.

    Args:
        rate: Probability of each.
    """

    def __init__(self, rate: float = 0.1) -> None:
        super().__init__()
        check_magnitudes(self, rate=rate)
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """Vectors of the same shape."""
        return torch.where(torch.rand_like(x) < self.rate, x.mean(0), x)


class Augmentation(nn.Module):
    """A chain of the changes above: dropout and noise for vectors, the others and noise for images.

    Time series `(N, C, L)` have changes of their own, `SeriesAugmentation`: here `noise` is its jitter and `gain` its
    scaling; the weak and the strong one take TS-TCC's settings.

    Every sample has its own draws from torch's generator, so that a continued run repeats them. The chain acts
    wherever it is called, in training mode or not. No image is flipped: a mirrored digit is another thing.

    Args:
        rotation: Largest turn, in degrees.
        scale: Largest growth or shrinking of a side.
        shear: Largest tangent of the leaning angle.
        translation: Largest move, as a share of the side.
        gain: Largest change of contrast, as a share of it.
        offset: Largest change of brightness, in standard deviations of the image's pixels.
        cutout: Longest side of the painted square, as a share of the image's.
        noise: Standard deviation of the noise, in those of `GaussianNoise`.
        dropout: Probability of replacing a feature of a vector by its mean.
        padding: What lies beyond a moved image's edge.
        inversion: Probability of turning an image into its negative.

    Raises:
        AdaptError: A magnitude is negative; later, inputs that are neither images nor vectors.
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
    """FixMatch's weak one without its flip, images that move by up to 12.5 %, and a little noise, which vectors need.

    Sohn et al. 2020, https://arxiv.org/abs/2001.07685.

    Args:
        translation: Largest move, as a share of the side.
        noise: Standard deviation of the noise, in those of `GaussianNoise`.
        padding: What lies beyond a moved image's edge.
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
    """All changes at once and larger, in the place of FixMatch's RandAugment, whose operations need 8-bit colours.

    Sohn et al. 2020, https://arxiv.org/abs/2001.07685; RandAugment: Cubuk et al. 2020,
    https://arxiv.org/abs/1909.13719.

    Args:
        rotation: Largest turn, in degrees.
        scale: Largest growth or shrinking of a side.
        shear: Largest tangent of the leaning angle.
        translation: Largest move, as a share of the side.
        gain: Largest change of contrast, as a share of it.
        offset: Largest change of brightness, in standard deviations of the image's pixels.
        cutout: Longest side of the painted square, as a share of the image's.
        noise: Standard deviation of the noise, in those of `GaussianNoise`.
        dropout: Probability of replacing a feature of a vector by its mean.
        padding: What lies beyond a moved image's edge.
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
