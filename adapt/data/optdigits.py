"""Three digit domains made of what scikit-learn carries, so that a first experiment needs no file at all."""

from functools import lru_cache

import torch
from sklearn.datasets import load_digits, load_sample_images
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, interpolate

from adapt.data.views import TensorDomain
from adapt.errors import AdaptError

SIZE = 16
DIMMED = 0.7
_SEED = 0
# Positions in one permutation of the 1797 scans: the plain domain and the two pasted ones never share a scan.
_PLAIN = {"train": slice(0, 777), "test": slice(777, 897)}
_PASTED = {"train": slice(897, 1497), "test": slice(1497, 1797)}


@lru_cache(maxsize=6)
def optdigits(name: str, train: bool, degrees: float = 0.0) -> TensorDomain:
    """One of the embedded domains, 16×16 bytes.

    With a digit d in [0, 1] (8×8 scans, enlarged bilinearly) and a random 16×16 crop p of a photograph, per channel:

    - `optdigits`: d, on black; 777 training and 120 test images `(N, 1, 16, 16)`.
    - `optdigits_photo`: max(d, 0.7 p); 600 training and 300 test images `(N, 3, 16, 16)`. Aligning features helps.
    - `optdigits_inverted`: max(1 − d, 0.7 p), on the same digits and crops. The contrast is reversed: source-only is
      near chance, and a small CNN aligned by MMD fell below it, so it shows negative transfer.

    The last two hold the same scans, which are none of the first domain's.

    Args:
        name: The domain.
        train: Its training or its test set.
        degrees: Where it is above 0, each digit is turned by its own angle, uniform in ±degrees, before it is pasted,
            and the labels are these angles in place of the digits.
    """
    part = "train" if train else "test"
    generator = torch.Generator().manual_seed(_SEED)
    order = torch.randperm(1797, generator=generator)
    crops = _crops(1797, generator)
    scans = load_digits()
    digits = torch.as_tensor(scans.images, dtype=torch.float32)[:, None] / 16
    digits = interpolate(digits, size=(SIZE, SIZE), mode="bilinear")
    labels = torch.as_tensor(scans.target)
    if degrees:
        labels = degrees * (2 * torch.rand(len(digits), generator=generator) - 1)
        digits = _turned(digits, labels)
    if name == "optdigits":
        at = order[_PLAIN[part]]
        x = digits[at]
    elif name in ("optdigits_photo", "optdigits_inverted"):
        at = order[_PASTED[part]]
        drawn = digits[at] if name == "optdigits_photo" else 1 - digits[at]
        x = torch.maximum(drawn, DIMMED * crops[at])
    else:
        raise AdaptError(f"Expected an embedded digit domain (optdigits, _photo, _inverted), found {name!r}.")
    return TensorDomain((255 * x).round().to(torch.uint8), labels[at])


def _turned(digits: Tensor, degrees: Tensor) -> Tensor:
    angle = degrees.deg2rad()
    sin, cos, zero = angle.sin(), angle.cos(), torch.zeros_like(angle)
    turns = torch.stack([torch.stack([cos, -sin, zero], 1), torch.stack([sin, cos, zero], 1)], 1)
    grid = affine_grid(turns, list(digits.shape), align_corners=False)
    return grid_sample(digits, grid, align_corners=False)


def _crops(count: int, generator: torch.Generator) -> Tensor:
    photos = [torch.tensor(image).permute(2, 0, 1).float() / 255 for image in load_sample_images().images]
    crops = torch.empty(count, 3, SIZE, SIZE)
    for crop in crops:
        photo = photos[int(torch.randint(len(photos), (), generator=generator))]
        top = int(torch.randint(photo.shape[1] - SIZE + 1, (), generator=generator))
        left = int(torch.randint(photo.shape[2] - SIZE + 1, (), generator=generator))
        crop.copy_(photo[:, top : top + SIZE, left : left + SIZE])
    return crops
