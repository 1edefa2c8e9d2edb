"""Predictions of a batch that agree among neighbours."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import normalize

from adapt.errors import AdaptError
from adapt.losses.inputs import in_full_precision
from adapt.losses.predictions import class_logits

_LEAST = 1e-10
_TOLERANCE = 1e-8


@in_full_precision
def affinity(features: Tensor, kind: Literal["rbf", "knn", "linear"] = "rbf", neighbours: int = 5) -> Tensor:
    """How much the samples of a batch belong together, from their features on the unit sphere.

    `rbf`: exp(−d²/2σ²), σ the mean distance to the k-th nearest sample, oneself being the first. `knn`: 1 for the k
    nearest others. `linear`: the cosine. LAME, Boudiaf et al., CVPR 2022, https://arxiv.org/abs/2201.05718, as in the
    authors' code.

    Args:
        features: `(N, d)`.
        kind: Which of the three.
        neighbours: k.

    Returns:
        `(N, N)`; of `knn` not symmetric.

    Raises:
        AdaptError: `features` is not a matrix, k is below 1, or the kind is none of the three.

    Examples:
        >>> import torch
        >>> from adapt.losses import affinity
        >>> affinity(torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]]), "knn", neighbours=1)
        tensor([[0., 1., 0.],
                [1., 0., 0.],
                [1., 0., 0.]])
    """
    if features.ndim != 2 or neighbours < 1:
        raise AdaptError(
            f"affinity expects features (N, d) and a neighbour or more, found {tuple(features.shape)} and {neighbours}."
        )
    if kind not in ("rbf", "knn", "linear"):
        raise AdaptError(f"kind expects 'rbf', 'knn' or 'linear', found {kind!r}.")
    x = normalize(features, dim=1)
    if kind == "linear":
        return x @ x.T
    # Not by the matrix product, whose rounding makes the distance of equal samples no zero.
    distances = torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist")
    if kind == "knn":
        # Oneself is left out by place: of equal samples another one may come first.
        others = distances + torch.diag(torch.full_like(distances[0], torch.inf))
        nearest = others.topk(min(neighbours, len(x) - 1), dim=1, largest=False).indices
        return torch.zeros_like(distances).scatter_(1, nearest, 1.0)
    width = distances.topk(min(neighbours, len(x)), dim=1, largest=False).values[:, -1].mean()
    # Of a single sample, or where all are equal, every distance is 0.
    return (-distances.square() / (2 * width.square()).clamp_min(torch.finfo(x.dtype).tiny)).exp()


@in_full_precision
def laplacian_assignment(logits: Tensor, kernel: Tensor, steps: int = 100) -> Tensor:
    """Assignments that stay near the softmax and agree with the samples that belong together.

    They minimise Σ_i KL(y_i ‖ p_i) − Σ_ij w_ij y_iᵀ y_j by repeating y_i ← softmax(log p_i + Σ_j w_ij y_j). LAME,
    Boudiaf et al., CVPR 2022, https://arxiv.org/abs/2201.05718. It ends when the energy changes by less than 10⁻⁸ of
    itself.

    Args:
        logits: Class logits `(N, K)`, whose softmax is p.
        kernel: w `(N, N)`.
        steps: Most repetitions.

    Returns:
        Probabilities y `(N, K)`.

    Raises:
        AdaptError: `logits` is not a matrix or is empty, or the kernel is not of its samples.

    Examples:
        >>> import torch
        >>> from adapt.losses import laplacian_assignment
        >>> laplacian_assignment(torch.tensor([[1.0, 0.0]]), torch.zeros(1, 1))  # alone: the softmax
        tensor([[0.7311, 0.2689]])
    """
    logits = class_logits("laplacian_assignment", logits)
    if kernel.shape != (len(logits), len(logits)):
        raise AdaptError(f"laplacian_assignment expects a kernel (N, N), N {len(logits)}, found {tuple(kernel.shape)}.")
    log_p = (logits.softmax(1) + _LEAST).log()
    y = log_p.softmax(1)
    before = float("inf")
    for step in range(steps):
        pairwise = kernel @ y
        y = (log_p + pairwise).softmax(1)
        energy = float((y * (y.clamp_min(1e-20).log() - log_p - pairwise)).sum())
        if step > 1 and abs(energy - before) <= _TOLERANCE * abs(before):
            break
        before = energy
    return y
