"""The discrepancy within and between classes, and the clusters that say which class a target sample is of."""

from collections.abc import Sequence

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn.functional import normalize

from adapt.errors import AdaptError
from adapt.losses.inputs import full_precision, in_full_precision
from adapt.losses.kernels import gaussian_kernel, squared_distances


@in_full_precision
def contrastive_discrepancy(
    source: Tensor, target: Tensor, *, scales: Sequence[float] = (0.25, 0.5, 1.0, 2.0, 4.0)
) -> Tensor:
    """Squared MMD between the domains' samples of one class, minus that of different classes.

    CAN, Kang et al. 2019, https://arxiv.org/abs/1901.00976:
    (1/C) Σ_c MMD²(s_c, t_c) − 1/(C (C − 1)) Σ_{c ≠ c'} MMD²(s_c, t_c'), each with the biased estimate and its own
    kernel Σ_b exp(−d²/b), b = scale × mean of d² over the pairs of different samples of both sets. No gradient passes
    through b. Of one class alone the second term is 0.

    Args:
        source: Features of n samples of each of C classes `(C, n, d)`.
        target: Features of m samples of each of the same classes `(C, m, d)`, by pseudo-labels.
        scales: Factors on the bandwidth, one Gaussian each.

    Returns:
        Scalar without unit, in [−2, 2] times the number of kernels.

    Raises:
        AdaptError: The shapes do not fit, or a factor is not positive.

    Examples:
        >>> import torch
        >>> from adapt.losses import contrastive_discrepancy
        >>> source = torch.tensor([[[0.0], [0.1]], [[5.0], [5.1]]])
        >>> contrastive_discrepancy(source, source) < contrastive_discrepancy(source, source.flip(0))
        tensor(True)
    """
    found = f"found {tuple(source.shape)} and {tuple(target.shape)}"
    if source.ndim != 3 or target.ndim != 3 or 0 in (*source.shape, *target.shape):
        raise AdaptError(f"contrastive_discrepancy expects features (C, n, d) and (C, m, d), {found}.")
    if (len(source), source.shape[2]) != (len(target), target.shape[2]):
        raise AdaptError(f"contrastive_discrepancy expects the same classes and one width of both domains, {found}.")
    if not scales or min(scales) <= 0:
        raise AdaptError(f"contrastive_discrepancy expects one or more positive scales, found {list(scales)}.")
    (classes, n, _), m = source.shape, target.shape[1]
    distances = squared_distances(torch.cat([source.flatten(0, 1), target.flatten(0, 1)]))
    at = classes * n
    # Of source class c with itself (C, n, n), of the target likewise, and of c with target class c' (C, C, n, m).
    within_source, within_target = (
        block.view(classes, size, classes, size).diagonal(dim1=0, dim2=2).permute(2, 0, 1)
        for block, size in ((distances[:at, :at], n), (distances[at:, at:], m))
    )
    between = distances[:at, at:].reshape(classes, n, classes, m).transpose(1, 2)
    total = within_source.sum((1, 2))[:, None] + within_target.sum((1, 2)) + 2 * between.sum((2, 3))
    width = (total / ((n + m) * (n + m - 1))).detach()[:, :, None, None]
    # Coinciding points define no scale; any finite bandwidth gives them the same kernel value.
    width = torch.where(width > 0, width, torch.ones_like(width))
    factors = torch.stack([torch.ones_like(width[0, 0, 0, 0]) * scale for scale in scales])
    parts = (within_source[:, None], within_target[None], between)
    source_value, target_value, cross = (gaussian_kernel(part / width, factors).mean((2, 3)) for part in parts)
    each = source_value + target_value - 2 * cross
    within = each.diagonal().sum()
    if classes == 1:
        return within
    return within / classes - (each.sum() - within) / (classes * (classes - 1))


@torch.no_grad()
def spherical_clusters(
    features: Tensor, centres: Tensor, *, tolerance: float = 0.005, rounds: int = 100
) -> tuple[Tensor, Tensor]:
    """Spherical k-means of a domain, from given centres: each sample's cluster, and its distance ½ (1 − cos) from it.

    CAN, Kang et al. 2019, https://arxiv.org/abs/1901.00976. Centres are sums of features of length 1. A cluster that
    loses all samples goes back to where it began. It ends when the centres move by less than the tolerance, on average.
    The clusters are then named by the given centres, one to one and as near as possible.

    Args:
        features: Features of all samples `(N, d)`.
        centres: Where the clusters begin, one for each class `(K, d)`.
        tolerance: Mean distance, in [0, 1].
        rounds: Most rounds.

    Returns:
        Classes `(N,)`, int64, and distances `(N,)` in [0, 1].

    Raises:
        AdaptError: The shapes do not fit, or an option is out of range.

    Examples:
        >>> import torch
        >>> from adapt.losses import spherical_clusters
        >>> features = torch.tensor([[1.0, 0.1], [9.0, 0.0], [0.0, 2.0]])
        >>> spherical_clusters(features, torch.eye(2))[0]
        tensor([0, 0, 1])
    """
    if features.ndim != 2 or centres.ndim != 2 or features.shape[1] != centres.shape[1] or 0 in features.shape:
        raise AdaptError(
            f"spherical_clusters expects features (N, d) and centres (K, d), found {tuple(features.shape)} and "
            f"{tuple(centres.shape)}."
        )
    if tolerance < 0 or rounds < 1:
        raise AdaptError(f"spherical_clusters expects tolerance >= 0 and rounds >= 1, found {tolerance} and {rounds}.")
    x, first = normalize(full_precision(features), dim=1), normalize(full_precision(centres), dim=1)
    now = first
    for _ in range(rounds):
        nearest = (x @ now.T).argmax(1)
        sums = torch.zeros_like(first).index_add_(0, nearest, x)
        empty = nearest.bincount(minlength=len(first)) == 0
        before, now = now, torch.where(empty[:, None], first, normalize(sums, dim=1))
        if float(((1 - (before * now).sum(1)) / 2).mean()) < tolerance:
            break
    closest, cluster = (x @ now.T).max(1)
    names = torch.as_tensor(linear_sum_assignment((now @ first.T).cpu().numpy(), maximize=True)[1])
    return names.to(cluster.device)[cluster], ((1 - closest) / 2).clamp(0, 1)
