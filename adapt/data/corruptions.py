"""The fifteen corruptions of ImageNet-C, five severities each, made while a stream runs."""

import inspect
from collections.abc import Sequence
from typing import Any
from zlib import crc32

import numpy as np
import torch
from torch import Tensor

from adapt.data.views import drawing_from
from adapt.errors import AdaptError
from adapt.extras import optional
from adapt.trees import Tree

CORRUPTIONS = (
    *("gaussian_noise", "shot_noise", "impulse_noise", "defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
    *("snow", "frost", "fog", "brightness", "contrast", "elastic_transform", "pixelate", "jpeg_compression"),
)
"""In the order in which the field's tables and continual streams have them."""

SEVERITIES = (1, 2, 3, 4, 5)
_SMALLEST = 32
# These draw from generators of their own.
_TAKES_SEED = ("impulse_noise", "glass_blur")


def corrupted(images: Tensor, kind: str, severity: int, samples: Sequence[int], seed: int = 0) -> Tensor:
    """Images with one corruption of ImageNet-C.

    Hendrycks & Dietterich, ICLR 2019, https://arxiv.org/abs/1903.12261, as the package `imagecorruptions-imaug` makes
    them, with ImageNet's strengths: a blur of so many pixels hides more of a small image than of a large one. What an
    image becomes depends on seed, kind, severity and its own number alone, not on the batch that it comes in. Images
    below 32 pixels are enlarged by their edge for it, and cut again. Gray images are corrupted as three equal channels,
    whose mean is taken.

    Args:
        images: Bytes `(N, C, H, W)`, C 1 or 3.
        kind: One of `CORRUPTIONS`.
        severity: 1 to 5.
        samples: Each image's number.
        seed: Seed of the corruptions.

    Returns:
        Bytes of the same shape, on the CPU.

    Raises:
        AdaptError: These are no such images, kind or severity; or the package is not installed.
    """
    check_corruption(kind, severity)
    check_images(images)
    corrupt = _package().corrupt
    pictures = images.cpu().permute(0, 2, 3, 1).numpy()
    height, width = pictures.shape[1:3]
    rows, columns = (_margins(side) for side in (height, width))
    pictures = np.pad(pictures, ((0, 0), rows, columns, (0, 0)), mode="edge")
    found = []
    for picture, number in zip(pictures, samples, strict=True):
        own = crc32(f"{seed} {kind} {severity} {number}".encode())
        more: dict[str, Any] = {"seed": own} if kind in _TAKES_SEED else {}
        colour = np.repeat(picture, 3, axis=2) if picture.shape[2] == 1 else picture
        with drawing_from(own):
            found.append(corrupt(np.ascontiguousarray(colour), severity=severity, corruption_name=kind, **more))
    changed = np.stack(found)[:, rows[0] : rows[0] + height, columns[0] : columns[0] + width]
    if images.shape[1] == 1:
        changed = changed.mean(axis=3, keepdims=True).round().astype(np.uint8)
    return torch.from_numpy(np.ascontiguousarray(changed.transpose(0, 3, 1, 2)))


def check_images(inputs: Tree) -> None:
    """Refuse what is no images that can be corrupted.

    Raises:
        AdaptError: They are none.
    """
    if isinstance(inputs, Tensor) and inputs.dtype == torch.uint8 and inputs.ndim == 4 and inputs.shape[1] in (1, 3):
        return
    found = f"{inputs.dtype} {tuple(inputs.shape)}" if isinstance(inputs, Tensor) else "inputs of several parts"
    raise AdaptError(
        f"Expected images to corrupt as bytes (N, 1 or 3, height, width), found {found}. Stream other data without "
        "corruptions (--corruptions none), which every scenario but gradual takes."
    )


def check_corruption(kind: str, severity: int) -> None:
    """Refuse unknown kinds and severities.

    Raises:
        AdaptError: It is one.
    """
    if kind not in CORRUPTIONS:
        raise AdaptError(f"Expected corruptions out of {', '.join(CORRUPTIONS)}, found {kind!r}.")
    if severity not in SEVERITIES:
        raise AdaptError(f"Expected a severity from 1 to 5, found {severity!r}.")


def check_installed() -> None:
    """Refuse to begin without the package.

    Raises:
        AdaptError: It is not there, or another one has its name.
    """
    _package()


def _package() -> Any:
    found = optional("imagecorruptions", "imagecorruptions-imaug", "streams", "A stream of corrupted images")
    # The package that this one continues has the same name, and draws some numbers that no seed reaches.
    if any("seed" not in inspect.signature(found.corruption_dict[kind]).parameters for kind in _TAKES_SEED):
        raise AdaptError(
            "Expected the package imagecorruptions-imaug, found an older one that is imported by the same name.\n"
            "pip uninstall imagecorruptions, then pip install --force-reinstall imagecorruptions-imaug."
        )
    return found


def _margins(side: int) -> tuple[int, int]:
    lacking = max(0, _SMALLEST - side)
    return lacking // 2, lacking - lacking // 2
