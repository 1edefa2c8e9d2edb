"""Content and style of images, compared by distances of a network's feature maps."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from adapt.errors import AdaptError
from adapt.losses.inputs import in_full_precision


@in_full_precision
def gram(features: Tensor) -> Tensor:
    """Correlations of each image's feature maps over all positions, G_ij = Σ_k F_ik F_jk / (C·H·W).

    Gatys et al. 2016, https://arxiv.org/abs/1508.06576. The paper's Gram matrix is the sum. The constant makes images
    of different sizes comparable; for equal sizes `style_loss` is the paper's.

    Args:
        features: Feature maps `(N, C, H, W)`.

    Returns:
        Symmetric matrices `(N, C, C)`, positive semidefinite.

    Raises:
        AdaptError: The tensor is not a batch of feature maps.

    Examples:
        >>> import torch
        >>> from adapt.losses import gram
        >>> gram(torch.ones(1, 2, 4, 4))
        tensor([[[0.5000, 0.5000],
                 [0.5000, 0.5000]]])
    """
    _feature_maps("gram", features)
    flat = features.flatten(2)
    return flat @ flat.transpose(1, 2) / features[0].numel()


@in_full_precision
def style_loss(features: Sequence[Tensor], grams: Sequence[Tensor], weights: Sequence[float] | None = None) -> Tensor:
    """Distance of Gram matrices over layers, Σ_l w_l ¼ ‖G_l − A_l‖²_F, mean over the images.

    Gatys et al. 2016, https://arxiv.org/abs/1508.06576; with G from `gram` this is the paper's
    Σ_l w_l ‖G_l − A_l‖²_F / (4 C_l² (H_l W_l)²).

    Args:
        features: For each layer the feature maps `(N, C, H, W)` of the generated images.
        grams: For each layer the Gram matrices `(N, C, C)` of their style images.
        weights: Weight w of each layer; None is 1/L for each, the paper's.

    Returns:
        Scalar, nonnegative.

    Raises:
        AdaptError: The numbers of layers, of images or of channels differ.

    Examples:
        >>> import torch
        >>> from adapt.losses import gram, style_loss
        >>> maps = [torch.ones(1, 2, 4, 4)]
        >>> style_loss(maps, [gram(2 * m) for m in maps]).item()
        2.25
    """
    shares = [1 / max(1, len(features))] * len(features) if weights is None else list(weights)
    found = [tuple(f.shape) for f in features], [tuple(g.shape) for g in grams]
    if not 0 < len(features) == len(grams) == len(shares):
        raise AdaptError(f"style_loss expects maps, Gram matrices and weights of the same layers, found {found}.")
    terms = []
    for maps, wanted, share in zip(features, grams, shares, strict=True):
        own = gram(maps)
        if own.shape != wanted.shape:
            raise AdaptError(f"style_loss expects Gram matrices (N, C, C) for maps (N, C, H, W), found {found}.")
        terms.append(share * (own - wanted).square().sum((1, 2)).mean() / 4)
    return torch.stack(terms).sum()


@in_full_precision
def content_loss(features: Tensor, content: Tensor, *, scale: Literal["paper", "mean"] = "paper") -> Tensor:
    """Distance of feature maps, ½ Σ (F − P)², mean over the images.

    Gatys et al. 2016, https://arxiv.org/abs/1508.06576.

    Args:
        features: Feature maps `(N, C, H, W)` of the generated images.
        content: Feature maps of their content images, of the same shape.
        scale: `"paper"` sums over C·H·W values, so it grows with the image, while the style loss does not. `"mean"`
            divides by their number.

    Returns:
        Scalar, nonnegative.

    Raises:
        AdaptError: The shapes differ, or the scale is unknown.

    Examples:
        >>> import torch
        >>> from adapt.losses import content_loss
        >>> content_loss(torch.ones(1, 2, 4, 4), torch.zeros(1, 2, 4, 4), scale="mean").item()
        0.5
    """
    _feature_maps("content_loss", features)
    if features.shape != content.shape:
        raise AdaptError(
            f"content_loss expects maps of one shape, found {tuple(features.shape)} and {tuple(content.shape)}."
        )
    squares = (features - content).square().flatten(1)
    if scale == "paper":
        return squares.sum(1).mean() / 2
    if scale == "mean":
        return squares.mean() / 2
    raise AdaptError(f"scale expects 'paper' or 'mean', found {scale!r}.")


@in_full_precision
def total_variation(images: Tensor) -> Tensor:
    """Total variation: mean squared difference of vertical neighbours plus that of horizontal neighbours.

    Mahendran & Vedaldi 2015, https://arxiv.org/abs/1412.0035, with β = 2 and means instead of sums, so that the scale
    does not depend on the image size.

    Args:
        images: Images `(N, C, H, W)`, with at least 2 rows and 2 columns.

    Returns:
        Scalar, nonnegative.

    Raises:
        AdaptError: The tensor is not a batch of images, or the images are too small.

    Examples:
        >>> import torch
        >>> from adapt.losses import total_variation
        >>> total_variation(torch.tensor([[[[0.0, 1.0], [0.0, 1.0]]]])).item()  # one step across, none down
        1.0
    """
    _feature_maps("total_variation", images)
    if min(images.shape[2:]) < 2:
        raise AdaptError(f"total_variation expects images of at least 2×2 pixels, found {tuple(images.shape)}.")
    return images.diff(dim=2).square().mean() + images.diff(dim=3).square().mean()


def _feature_maps(loss: str, x: Tensor) -> None:
    if x.ndim != 4 or x.numel() == 0:
        raise AdaptError(f"{loss} expects maps (N, C, H, W) of at least one image, found {tuple(x.shape)}.")
