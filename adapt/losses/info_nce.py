"""Agreement of two views of the same samples."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from adapt.errors import AdaptError
from adapt.losses.inputs import feature_pair, in_full_precision


@in_full_precision
def info_nce(first: Tensor, second: Tensor, *, temperature: float = 0.07) -> Tensor:
    """How hard it is to find each sample's second view among those of the batch, and its first likewise.

    Van den Oord et al. 2018, https://arxiv.org/abs/1807.03748; symmetric, as between images and texts in Radford et al.
    2021, https://arxiv.org/abs/2103.00020: with s_ij the cosine of a_i and b_j over T,
    `L = −(1/2N) Σ_i [log softmax_j(s_ij)_i + log softmax_j(s_ji)_i]`.

    Args:
        first: Features a of one view, such as the images' `(N, d)`.
        second: Features b of the other view of the same samples, in the same order `(N, d)`.
        temperature: T, above 0. CLIP learns it, from 0.07 on; here it stays.

    Returns:
        A scalar in nats, at least 0. Views that say nothing of each other give log N or more.

    Raises:
        AdaptError: A tensor is not a matrix, the shapes differ, there are fewer than 2 samples, or the temperature is
            not positive.

    Examples:
        >>> import torch
        >>> from adapt.losses import info_nce
        >>> info_nce(torch.ones(4, 3), torch.ones(4, 3)).exp()  # no view tells the four samples apart
        tensor(4.)
    """
    first, second = feature_pair("info_nce", first, second)
    if len(first) != len(second):
        raise AdaptError(
            f"info_nce expects two views of the same samples, found {len(first)} and {len(second)}: one row a sample."
        )
    if temperature <= 0:
        raise AdaptError(f"info_nce expects a temperature above 0, found {temperature}.")
    similarity = normalize(first, dim=1) @ normalize(second, dim=1).T / temperature
    own = torch.arange(len(first), device=first.device)
    return (cross_entropy(similarity, own) + cross_entropy(similarity.T, own)) / 2
