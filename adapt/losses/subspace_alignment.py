"""Alignment of principal subspaces."""

import torch
from torch import Tensor

from adapt.errors import AdaptError
from adapt.losses.coral import covariance
from adapt.losses.inputs import feature_pair


def subspace_alignment(source: Tensor, target: Tensor, *, components: int) -> tuple[Tensor, Tensor]:
    """Projections of centred features: the source's principal axes, aligned with the target's, and the target's own.

    Fernando et al. 2013, https://doi.org/10.1109/ICCV.2013.368:
    P_s and P_t hold the k leading eigenvectors of the covariances. M = P_sᵀ P_t minimises ‖P_s M − P_t‖_F. A centred
    source sample becomes x P_s M, a centred target sample x P_t.

    Args:
        source: Features `(N, d)`.
        target: Features `(M, d)`; N ≠ M is allowed.
        components: Number of axes k.

    Returns:
        P_s M `(d, k)` and P_t `(d, k)`, in double precision.

    Raises:
        AdaptError: Fewer than 2 samples, different widths, or a k below 1 or above what the samples span.

    Examples:
        >>> import torch
        >>> from adapt.losses import subspace_alignment
        >>> source = torch.tensor([[-1.0, 0.0], [0.0, 0.0], [1.0, 0.0]])  # varies along the first axis
        >>> of_source, of_target = subspace_alignment(source, source.flip(1), components=1)
        >>> (source @ of_source.float()).abs().flatten().round(decimals=4)  # the axes share nothing
        tensor([0., 0., 0.])
    """
    source, target = (x.double() for x in feature_pair("subspace_alignment", source, target))
    most = min(len(source) - 1, len(target) - 1, source.shape[1])
    if not 1 <= components <= most:
        raise AdaptError(f"subspace_alignment expects components from 1 to {most}, found {components}.")
    own, axes = (torch.linalg.eigh(covariance(x)).eigenvectors[:, -components:].flip(1) for x in (source, target))
    return own @ (own.T @ axes), axes
