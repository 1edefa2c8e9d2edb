"""Batch spectral shrinkage."""

from torch import Tensor

from adapt.errors import AdaptError
from adapt.losses.inputs import in_full_precision, singular_values


@in_full_precision
def bss(features: Tensor, *, k: int = 1) -> Tensor:
    """Sum of the squared k smallest singular values of a batch of features, Σ_{i≤k} σ²_{−i}.

    Chen et al. 2019, https://papers.nips.cc/paper/2019/hash/c6bff625bdb0393992c9d4db0c6bbe45-Abstract.html. The matrix
    is neither centred nor divided by its sample count. Only its min(N, d) singular values count, so none is zero just
    because there are fewer samples than features.

    Args:
        features: Features `(N, d)`.
        k: Number of singular values.

    Returns:
        Scalar, nonnegative, in squared feature units.

    Raises:
        AdaptError: `features` is not a matrix or is empty, or has fewer than k singular values.

    Examples:
        >>> import torch
        >>> from adapt.losses import bss
        >>> bss(torch.diag(torch.tensor([3.0, 2.0]))).item()  # 2²
        4.0
    """
    if features.ndim != 2 or features.numel() == 0:
        raise AdaptError(f"bss expects features (N, d) of at least one sample, found {tuple(features.shape)}.")
    if not 1 <= k <= min(features.shape):
        raise AdaptError(
            f"bss expects k between 1 and the {min(features.shape)} singular values of these features, found {k}."
        )
    values = singular_values(features)
    return values[-k:].square().sum()
