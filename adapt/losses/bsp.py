"""Batch spectral penalization."""

import torch
from torch import Tensor

from adapt.errors import AdaptError
from adapt.losses.inputs import feature_pair, in_full_precision, singular_values


@in_full_precision
def bsp(source: Tensor, target: Tensor, *, k: int = 1) -> Tensor:
    """Sum of the squared k largest singular values of each domain's features, Σ_{i≤k} (σ²_s,i + σ²_t,i).

    Chen et al. 2019, http://proceedings.mlr.press/v97/chen19i.html. The matrices are neither centred nor divided by
    their sample counts, so the value grows with the batch.

    Args:
        source: Features `(N, d)`.
        target: Features `(M, d)`; N ≠ M is allowed.
        k: Number of singular values of each domain.

    Returns:
        Scalar, nonnegative, in squared feature units.

    Raises:
        AdaptError: A tensor is not a matrix or empty, the widths differ, or there are fewer than k singular values.

    Examples:
        >>> import torch
        >>> from adapt.losses import bsp
        >>> bsp(torch.diag(torch.tensor([3.0, 1.0])), torch.eye(2)).item()  # 3² + 1²
        10.0
    """
    source, target = feature_pair("bsp", source, target, minimum=1)
    most = min(len(source), len(target), source.shape[1])
    if not 1 <= k <= most:
        raise AdaptError(f"bsp expects k between 1 and the {most} singular values of these features, found {k}.")
    values = torch.cat([singular_values(x)[:k] for x in (source, target)])
    return values.square().sum()
