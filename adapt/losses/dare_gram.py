"""Alignment of inverse Gram matrices."""

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from adapt.errors import AdaptError
from adapt.losses.inputs import feature_pair, in_full_precision


@in_full_precision
def dare_gram(source: Tensor, target: Tensor, *, share: float = 0.9) -> tuple[Tensor, Tensor]:
    """Angle and scale between the domains' pseudo-inverse Gram matrices, (1/q) Σ_j (1 − cos(A⁺_j, B⁺_j)), ‖λ − μ‖ / k.

    DARE-GRAM, Nejjar et al. 2023, https://arxiv.org/abs/2303.13325. With an appended column of ones the features are
    `(N, q)` and `(M, q)`, q = d + 1; A = ZᵀZ and B are their Gram matrices, A⁺_j the j-th column of the pseudo-inverse
    of rank k, and λ, μ the k largest eigenvalues. k is one less than the number of a domain's leading eigenvalues that
    stay within a `share` of their sum, at least 1, and the larger of both domains': the authors' choice. Eigenvalues
    that are 0 but for rounding never count, such as all but one where all samples are alike. A⁺ is what the
    least-squares regressor is made of.

    Args:
        source: Features `(N, d)`.
        target: Features `(M, d)`; N ≠ M is allowed, but the Gram matrices are sums, which grow with the batch.
        share: Share of the eigenvalues' sum, in (0, 1).

    Returns:
        The angle, without unit, in [0, 2], and the scale, in squared feature units.

    Raises:
        AdaptError: A tensor is no matrix, the widths differ, a domain has fewer than 2 samples, or the share is out of
            range.

    Examples:
        >>> import torch
        >>> from adapt.losses import dare_gram
        >>> x = torch.tensor([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]])
        >>> [round(value.item(), 4) for value in dare_gram(x, x)]
        [0.0, 0.0]
    """
    source, target = feature_pair("dare_gram", source, target)
    if not 0 < share < 1:
        raise AdaptError(f"dare_gram expects a share in (0, 1), found {share}.")
    extended = [torch.cat([torch.ones_like(x[:, :1]), x], 1) for x in (source, target)]
    grams = [z.T @ z for z in extended]
    values = [torch.linalg.svdvals(gram) for gram in grams]
    with torch.no_grad():
        # As a tensor, for the host must not wait: positions and masks instead of slices.
        k = torch.stack([_last_within(v, share) for v in values]).max()
        # A little above the first that is left out, which rounding would else let in.
        nothing = torch.finfo(source.dtype).eps * len(values[0])
        cuts = [((v.gather(0, k[None]) / v[:1]).squeeze(0) * (1 + 1e-5)).clamp_min(nothing) for v in values]
        kept = torch.arange(len(values[0]), device=source.device) < k
    inverses = [torch.linalg.pinv(gram, rtol=cut) for gram, cut in zip(grams, cuts, strict=True)]
    angle = (1 - cosine_similarity(inverses[0], inverses[1], dim=0, eps=1e-6)).abs().mean()
    gap = ((values[0] - values[1]) * kept).square().sum()
    return angle, gap.clamp_min(1e-12).sqrt() * (gap > 1e-12) / k


def _last_within(values: Tensor, share: float) -> Tensor:
    """The last position up to which the eigenvalues make up no more than a share; at least 1."""
    cumulative = values.cumsum(0) / values.sum()
    bound = torch.clamp_min(cumulative[1], share)
    rank = (values > values[0] * torch.finfo(values.dtype).eps * len(values)).sum()
    return torch.minimum((cumulative <= bound).sum() - 1, rank)
