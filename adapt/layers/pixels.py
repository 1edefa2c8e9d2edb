"""Convert inputs that a datamodule normalised to pixels, and back."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from adapt.errors import AdaptError

_TOLERANCE = 0.01


class Pixels:
    """Convert between normalised inputs and pixels in [0, 1], for methods that change images.

    These methods need nonnegative values. For example, after subtracting the mean, a swapped amplitude at frequency 0
    would lose its sign.

    Args:
        owner: Name of the method, for messages.
        mean: Mean per channel that the datamodule subtracted, None if it did not.
        std: Standard deviation per channel that the datamodule divided by.
        check: Checks values at once, or after the GPU has computed them, as `Method.check_later` does.

    Raises:
        AdaptError: Only one of the two is given, their lengths differ, or a deviation is not positive.
    """

    def __init__(
        self,
        owner: str,
        mean: Sequence[float] | None,
        std: Sequence[float] | None,
        check: Callable[[Tensor, Callable[[Tensor], None]], None] = lambda values, judge: judge(values),
    ) -> None:
        if (mean is None) != (std is None) or len(mean or ()) != len(std or ()) or min(std or (1.0,)) <= 0:
            raise AdaptError(
                f"{owner} expects mean and std of one length, std positive, or neither; found mean {mean}, std {std}."
            )
        self.owner, self.check = owner, check
        self.mean, self.std = tuple(mean or (0.0,)), tuple(std or (1.0,))

    def of(self, inputs: Tensor) -> Tensor:
        """Pixels in [0, 1] of inputs `(N, C, H, W)`.

        Raises:
            AdaptError: The inputs are not images, have another number of channels, or lie outside the range.
        """
        if inputs.ndim != 4 or not inputs.is_floating_point():
            raise AdaptError(
                f"{self.owner} expects images (N, C, H, W) of floats, found {inputs.dtype} of shape "
                f"{tuple(inputs.shape)}: it changes pixels, so it needs images."
            )
        if len(self.mean) not in (1, inputs.shape[1]):
            raise AdaptError(
                f"{self.owner} expects mean and std with a value for each of {inputs.shape[1]} channels (or one for "
                f"all), found {len(self.mean)}."
            )
        mean, std = self._columns(inputs)
        pixels = inputs * std + mean
        self.check(torch.stack(torch.aminmax(pixels.detach())), self._refuse_range)
        return pixels.clamp(0, 1)

    def back(self, pixels: Tensor) -> Tensor:
        """Normalised inputs of pixels `(N, C, H, W)`, which are first clipped to [0, 1]."""
        mean, std = self._columns(pixels)
        return (pixels.clamp(0, 1) - mean) / std

    def _refuse_range(self, found: Tensor) -> None:
        low, high = found.tolist()
        if low < -_TOLERANCE or high > 1 + _TOLERANCE:
            raise AdaptError(
                f"{self.owner} expects images in [0, 1] once mean and std are undone, found [{low:.3g}, {high:.3g}]. "
                "Give --model.mean and --model.std with the values that the data is normalised with."
            )

    def _columns(self, x: Tensor) -> tuple[Tensor, Tensor]:
        # Filled on the device: a copy from the CPU would make it wait.
        mean, std = (torch.stack([x.new_full((1, 1), v) for v in values]) for values in (self.mean, self.std))
        return mean, std


def to_bytes(pixels: Tensor) -> Tensor:
    """Pixels in [0, 1] as bytes on the CPU, with a quarter of the memory."""
    return (pixels.detach().float() * 255).round().clamp(0, 255).to(torch.uint8).cpu()
