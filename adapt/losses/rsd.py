"""Representation subspace distance."""

from typing import Any

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
    samples as features every batch spans the whole space, and all angles are 0. Samples that depend on each other, such
    as one that a batch holds twice, span fewer directions, and what is missing has no angle.

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
    bases, ranks = [], []
    for x in (source, target):
        basis, values, _ = _svd(x.T)
        spanned = values > values[0] * _nothing(x.T)
        bases.append(basis * spanned)
        ranks.append(spanned.sum())
    of_source, cosines, of_target = _svd(bases[0].T @ bases[1])
    # The last angles are of directions that a domain has not.
    counted = torch.arange(len(cosines), device=source.device) < torch.stack(ranks).min()
    # The root's slope is infinite at 0, where the subspaces share a direction.
    squares = 1 - cosines.square()
    distance: Tensor = (squares.clamp_min(1e-6).sqrt() * ((squares > 1e-6) & counted)).sum()
    if not mismatch:
        return distance
    gap = ((of_source.abs() - of_target.T.abs()) * counted).square().sum()
    total: Tensor = distance + mismatch * gap.clamp_min(1e-12).sqrt()
    return total


def _svd(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    found: tuple[Tensor, Tensor, Tensor] = _SVD.apply(x)
    return found


def _nothing(x: Tensor) -> float:
    """The share of the largest singular value below which another one is 0 but for rounding."""
    return torch.finfo(x.dtype).eps * max(x.shape)


class _SVD(torch.autograd.Function):
    """`torch.linalg.svd(x, full_matrices=False)`, whose gradient is finite also for equal and vanishing values.

    Directions of equal values may be any of their plane, and those of values of 0 are any at all: torch divides by 0
    there. Here what turns them within their plane has no gradient. Otherwise the formula is torch's.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The three factors."""
        u, s, vh = torch.linalg.svd(x, full_matrices=False)
        ctx.save_for_backward(u, s, vh)
        return u, s, vh

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """The gradient of x, of those of the factors."""
        u, s, vh = ctx.saved_tensors
        du, ds, dvh = gradients
        squares = s.square()
        gaps = squares[None, :] - squares[:, None]
        equal = gaps.abs() <= 16 * torch.finfo(s.dtype).eps * torch.maximum(squares[None, :], squares[:, None])
        gaps = gaps.masked_fill(equal, torch.inf)
        left, right = u.T @ du, vh @ dvh.T
        inner = (left - left.T) / gaps * s[None, :] + s[:, None] * ((right - right.T) / gaps) + ds.diag_embed()
        found: Tensor = u @ inner @ vh
        inverse = torch.where(s > s[0] * _nothing(u.new_empty(len(u), vh.shape[1])), s, torch.inf).reciprocal()
        if len(u) > len(s):
            outside = du * inverse
            found = found + (outside - u @ (u.T @ outside)) @ vh
        if vh.shape[1] > len(s):
            outside = inverse[:, None] * dvh
            found = found + u @ (outside - (outside @ vh.T) @ vh)
        return found
