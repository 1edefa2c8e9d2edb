"""Representation subspace distance."""

import torch
from torch import Tensor

from adapt.errors import AdaptError
from adapt.losses.inputs import feature_pair, in_full_precision


@in_full_precision
def rsd(source: Tensor, target: Tensor, *, mismatch: float = 0.01) -> Tensor:
    """Sum of sines of the angles between the domains' feature subspaces, Σ_i sin θ_i + ν ‖|P_s| − |P_t|‖_F.

    RSD, Chen et al. 2021, http://proceedings.mlr.press/v139/chen21u.html. With U_s, U_t the left singular vectors of
    the transposed features `(d, N)` and `(d, M)`, and U_sᵀ U_t = P_s diag(cos θ) P_tᵀ, the θ_i are the principal
    angles, and |P| has the absolute values of the entries. The second term, the bases' mismatch, wants the directions
    to have the same order in both domains. Neither depends on the features' scale, which a regression needs.

    Angles below 0.001 count as 0, and have no gradient. A subspace is spanned by the batch's samples: with as many
    samples as features every batch spans the whole space, and all angles are 0.

    Args:
        source: Features `(N, d)`.
        target: Features `(M, d)`; N ≠ M is allowed where ν is 0.
        mismatch: Weight ν of the bases' mismatch.

    Returns:
        Scalar without unit, nonnegative.

    Raises:
        AdaptError: A tensor is no matrix, the widths differ, a domain has as many samples as features, or the sample
            counts differ although there is a mismatch.

    Examples:
        >>> import torch
        >>> from adapt.losses import rsd
        >>> rsd(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 5.0]]), mismatch=0.0).item()  # a right angle
        1.0
    """
    source, target = feature_pair("rsd", source, target, minimum=1)
    if max(len(source), len(target)) >= source.shape[1]:
        raise AdaptError(
            f"rsd expects fewer samples than features in a batch, found {tuple(source.shape)} and "
            f"{tuple(target.shape)}: lower the batch size, or take a wider bottleneck."
        )
    if mismatch and len(source) != len(target):
        raise AdaptError(f"rsd's mismatch expects as many samples of both domains, found {len(source)}, {len(target)}.")
    bases = [torch.linalg.svd(x.T, full_matrices=False)[0] for x in (source, target)]
    of_source, cosines, of_target = torch.linalg.svd(bases[0].T @ bases[1], full_matrices=False)
    # The root's slope is infinite at 0, where the subspaces share a direction.
    squares = 1 - cosines.square()
    distance: Tensor = (squares.clamp_min(1e-6).sqrt() * (squares > 1e-6)).sum()
    if not mismatch:
        return distance
    gap = (of_source.abs() - of_target.T.abs()).square().sum()
    total: Tensor = distance + mismatch * gap.clamp_min(1e-12).sqrt()
    return total
