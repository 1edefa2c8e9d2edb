"""Features and labels as the scores take them."""

import torch
from torch import Tensor

from adapt.errors import AdaptError


def labelled(name: str, features: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Features `(N, d)` in double precision, and labels `(N,)` as 0 to K − 1.

    Args:
        name: The score, for the error.
        features: Features of labelled samples.
        y: Their class indices; classes without a sample do not count.

    Raises:
        AdaptError: They do not fit, are not finite, or are of one class.
    """
    if features.ndim != 2 or y.shape != features.shape[:1]:
        raise AdaptError(
            f"{name} expects features (N, d) and labels (N,), found {tuple(features.shape)} and {tuple(y.shape)}."
        )
    if not torch.isfinite(features).all():
        raise AdaptError(f"{name} expects finite features, found NaN or infinite ones.")
    y = numbered(y)
    if not len(y) or int(y.max()) == 0:
        raise AdaptError(f"{name} expects labels of two classes or more, found {min(len(y), 1)}.")
    return features.double(), y


def numbered(classes: Tensor) -> Tensor:
    """Classes `(N,)` as 0 to K − 1, those without a sample left out."""
    found: Tensor = torch.unique(classes, return_inverse=True)[1]
    return found
