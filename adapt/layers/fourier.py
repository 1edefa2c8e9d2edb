"""Give images the coarse appearance of other images."""

import torch
from torch import Tensor

from adapt.errors import AdaptError
from adapt.losses.inputs import full_precision


def swap_amplitude(source: Tensor, target: Tensor, beta: float) -> Tensor:
    """Source images with the low-frequency amplitudes of target images and their own phases.

    Fourier domain adaptation, Yang & Soatto 2020, https://arxiv.org/abs/2004.05498:
    `F⁻¹[M ∘ |F(x_t)| e^{i∠F(x_s)} + (1 − M) ∘ F(x_s)]` for each channel, with F the two-dimensional discrete Fourier
    transform and M the rectangle of the frequencies |k| ≤ ⌊β·H⌋ and |l| ≤ ⌊β·W⌋, including the mean. β = 0 changes
    nothing, as in the paper; from β = 1/2 every amplitude is swapped.

    The rectangle is symmetric about 0, so the result is real. This follows the authors' NumPy code (which takes the
    shorter side for both lengths); their torch code leaves out the highest positive frequencies.

    Args:
        source: Images `(N, C, H, W)` with nonnegative values: the phase of the mean is its sign.
        target: Images `(M, C, H, W)`; image i is the style of source image i. If N ≠ M, torch's generator draws a style
            for each.
        beta: Share β of the height and of the width, in [0, 1].

    Returns:
        Images `(N, C, H, W)`; they may leave the range of the inputs.

    Raises:
        AdaptError: The tensors are not images of one size, there is no target, or β is out of range.
    """
    if source.ndim != 4 or source.shape[1:] != target.shape[1:] or len(target) == 0:
        raise AdaptError(
            "swap_amplitude expects images (N, C, H, W) and (M, C, H, W) of one size, M at least 1, "
            f"found {tuple(source.shape)} and {tuple(target.shape)}."
        )
    if not 0 <= beta <= 1:
        raise AdaptError(f"swap_amplitude expects beta in [0, 1], found {beta}.")
    if beta == 0:
        return source
    if len(source) != len(target):
        target = target[torch.randint(len(target), (len(source),), device=target.device)]
    height, width = source.shape[2:]
    spectrum, style = (torch.fft.rfft2(full_precision(x)) for x in (source, target))
    mask = (_frequencies(height, source) <= int(beta * height))[:, None] & (
        _frequencies(width, source)[: width // 2 + 1] <= int(beta * width)
    )
    swapped = torch.where(mask, torch.polar(style.abs(), spectrum.angle()), spectrum)
    restored: Tensor = torch.fft.irfft2(swapped, s=(height, width))
    return restored.to(source.dtype)


def _frequencies(size: int, like: Tensor) -> Tensor:
    """Absolute frequencies of a transform of `size` points, in its order: 0, 1, 2, ..., 2, 1."""
    k = torch.arange(size, device=like.device)
    return torch.minimum(k, size - k)
