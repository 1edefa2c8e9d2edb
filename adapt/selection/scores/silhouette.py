"""Silhouette of the predicted classes."""

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from adapt.errors import AdaptError
from adapt.losses.inputs import full_precision
from adapt.losses.predictions import class_logits
from adapt.selection.scores.blocks import distance_blocks


def silhouette(features: Tensor, logits: Tensor, *, block: int | None = None) -> Tensor:
    """Mean silhouette of the target's features, with the predicted classes as clusters; higher is better.

    Rousseeuw 1987, https://doi.org/10.1016/0377-0427(87)90125-7; as a criterion ("ClassSS") Musgrave et al. 2022,
    https://arxiv.org/abs/2208.07360: the mean of (b − a) / max(a, b), where a is a sample's mean Euclidean distance to
    its own class and b the smallest mean distance to another class; it is 0 for a class's only sample. If all
    predictions are the same class it is undefined; here it is −1, so that a collapsed network is not chosen.

    Cost: O(N²(d + K)) time, O(N(d + K)) memory with blocks of 32 rows or more: with d = 256 and K = 31 on
    one CPU core 0.06 s for N = 2000, so about 35 s for N = 50 000.

    Args:
        features: Features of the target `(N, d)`.
        logits: Class logits of the target `(N, K)`.
        block: Rows per block; by default as many as fill 4 MiB, at least 32. The result does not depend on it.

    Returns:
        Scalar without unit, in [−1, 1].

    Raises:
        AdaptError: `features` or `logits` is not a matrix or is empty, or their lengths differ.
    """
    features, classes = full_precision(features), class_logits("silhouette", logits).argmax(1)
    if features.ndim != 2 or len(features) != len(classes) or features.numel() == 0:
        raise AdaptError(
            f"silhouette expects features (N, d) beside logits (N, K), found {tuple(features.shape)} and "
            f"{tuple(logits.shape)}."
        )
    members = one_hot(classes).to(features)
    members = members[:, members.any(0)]
    clusters, sizes = members.argmax(1), members.sum(0)
    if len(sizes) == 1:
        return -torch.ones_like(sizes[0])
    total = features.new_zeros(())
    for rows, squares in distance_blocks(features, block=block):
        sums = squares.sqrt() @ members
        own = members[rows].bool()
        alone = sizes[clusters[rows]] == 1
        within = sums[own] / (sizes[clusters[rows]] - 1).clamp_min(1)
        nearest = (sums / sizes).masked_fill(own, torch.inf).amin(1)
        # Coinciding samples have a = b = 0; their silhouette is 0.
        value = (nearest - within) / torch.maximum(nearest, within).clamp_min(torch.finfo(features.dtype).tiny)
        total += value.masked_fill(alone, 0).sum()
    return total / len(features)
