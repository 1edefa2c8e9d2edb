"""The random views of test images that CoTTA, RoTTA and ROID average over or agree with."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import pad
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as change

from adapt.errors import AdaptError
from adapt.trees import Tree


def random_view(
    images: Tensor, *, flip: bool = True, blur: bool = True, padding: Literal["replicate", "reflect"] = "replicate"
) -> Tensor:
    """A random view of a batch, drawn once for the whole batch from torch's generator, as in the authors' code.

    Brightness 0.6 to 1.4, contrast 0.7 to 1.3, gamma 0.7 to 1.3, of colour images also saturation 0.5 to 1.5 and hue
    ± 0.06, in random order; rotation by up to 15°, translation by up to 1/16 of the padded side, scale 0.9 to 1.1; then
    blur (σ up to 0.5), flip and noise (0.005). KATANA's list (https://arxiv.org/abs/2109.08191), in which CoTTA's
    authors and those after them have it.

    Args:
        images: Bytes `(N, C, H, W)`.
        flip: Mirror with probability ½: not of digits, which are others then.
        blur: With blur and noise, as CoTTA and RoTTA; without, as ROID.
        padding: What fills the space beyond the edge: ROID reflects.

    Returns:
        Bytes of the same shape.

    Raises:
        AdaptError: They are no images of bytes.
    """
    check_viewable(images)
    x = images.float() / 255
    for kind in torch.randperm(5).tolist():
        x = _recoloured(x, kind)
    height, width = x.shape[2:]
    rows, columns = height // 2, width // 2
    x = pad(x, [columns, columns, rows, rows], mode=padding)
    shift = [round(_uniform(-1 / 16, 1 / 16) * side) for side in (x.shape[3], x.shape[2])]
    x = change.affine(
        x, _uniform(-15, 15), shift, _uniform(0.9, 1.1), [0.0, 0.0], interpolation=InterpolationMode.BILINEAR
    )
    if blur:
        x = change.gaussian_blur(x, [5, 5], [_uniform(0.001, 0.5)])
    x = x[:, :, rows : rows + height, columns : columns + width]
    if flip and _uniform(0, 1) < 0.5:
        x = x.flip(3)
    if blur:
        x = x + 0.005 * torch.randn(x.shape).to(x.device)
    found: Tensor = (x.clamp(0, 1) * 255).round().to(torch.uint8)
    return found


def check_viewable(inputs: Tree) -> None:
    """Refuse what is no images of bytes.

    Raises:
        AdaptError: It is none.
    """
    if isinstance(inputs, Tensor) and inputs.dtype == torch.uint8 and inputs.ndim == 4:
        return
    found = f"{inputs.dtype} {tuple(inputs.shape)}" if isinstance(inputs, Tensor) else "inputs of several parts"
    raise AdaptError(
        f"Expected images as bytes (N, C, height, width) for random views, found {found}. Take a method without views, "
        "such as TENT or EATA, or turn views off."
    )


def _recoloured(x: Tensor, kind: int) -> Tensor:
    colour = x.shape[1] == 3
    found: Tensor = x
    if kind == 0:
        found = change.adjust_brightness(x, _uniform(0.6, 1.4))
    elif kind == 1:
        found = change.adjust_contrast(x, _uniform(0.7, 1.3))
    elif kind == 2 and colour:
        found = change.adjust_saturation(x, _uniform(0.5, 1.5))
    elif kind == 3 and colour:
        found = change.adjust_hue(x, _uniform(-0.06, 0.06))
    elif kind == 4:
        found = change.adjust_gamma(x.clamp(1e-8, 1.0), _uniform(0.7, 1.3))
    return found


def _uniform(low: float, high: float) -> float:
    return low + (high - low) * float(torch.rand(()))
