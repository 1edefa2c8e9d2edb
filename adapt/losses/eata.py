"""Which samples of a stream are worth learning from, and what keeps weights where the source left them."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from adapt.errors import AdaptError
from adapt.losses.entropy import sample_entropy
from adapt.losses.inputs import full_precision, in_full_precision
from adapt.losses.predictions import class_logits


@in_full_precision
def reliable_weights(logits: Tensor, margin: float) -> Tensor:
    """Weight of each sample by its certainty: exp(E₀ − H_i) where its entropy H_i < E₀, else 0; without gradient.

    EATA, Niu et al., ICML 2022, equation 3, https://arxiv.org/abs/2204.02610.

    Args:
        logits: Class logits `(N, K)`.
        margin: E₀ in nats; 0.4 · log K in the paper.

    Returns:
        `(N,)`, 0 or above 1.

    Raises:
        AdaptError: `logits` is not a matrix or is empty.

    Examples:
        >>> import torch
        >>> from adapt.losses import reliable_weights
        >>> reliable_weights(torch.tensor([[50.0, 0.0], [0.0, 0.0]]), margin=0.5)  # e^0.5, and uncertain
        tensor([1.6487, 0.0000])
    """
    found = sample_entropy(logits.detach())
    return torch.where(found < margin, (margin - found).exp(), torch.zeros_like(found))


@in_full_precision
def differs_from_mean(logits: Tensor, mean: Tensor, similarity: float) -> Tensor:
    """Which samples say something new: |cos(p_i, m)| < ε, with m the moving average of earlier predictions.

    EATA, Niu et al., ICML 2022, equation 5, https://arxiv.org/abs/2204.02610.

    Args:
        logits: Class logits `(N, K)`, whose softmax is p.
        mean: m `(K,)`.
        similarity: ε; a certain prediction and a uniform m have a cosine of 1/√K, so it has to be above that.

    Returns:
        Booleans `(N,)`.

    Raises:
        AdaptError: `logits` is not a matrix or is empty, or m has another width.

    Examples:
        >>> import torch
        >>> from adapt.losses import differs_from_mean
        >>> differs_from_mean(torch.tensor([[9.0, 0.0], [0.0, 9.0]]), torch.tensor([0.9, 0.1]), 0.5)
        tensor([False,  True])
    """
    p = class_logits("differs_from_mean", logits).softmax(1)
    if mean.shape != p.shape[1:]:
        raise AdaptError(f"differs_from_mean expects a mean of shape {tuple(p.shape[1:])}, found {tuple(mean.shape)}.")
    return cosine_similarity(p, mean[None], dim=1).abs() < similarity


@in_full_precision
def fisher_penalty(weights: Sequence[Tensor], start: Sequence[Tensor], importance: Sequence[Tensor]) -> Tensor:
    """How far weights went from where they started, by their importance: Σ_j ω_j (θ_j − θ⁰_j)².

    Elastic weight consolidation, Kirkpatrick et al. 2017, https://arxiv.org/abs/1612.00796, as EATA takes it (equation
    8): ω is the diagonal of the Fisher information on source samples.

    Args:
        weights: θ, tensors of any shapes.
        start: θ⁰, of the same shapes.
        importance: ω, of the same shapes.

    Returns:
        Scalar, nonnegative.

    Raises:
        AdaptError: There is no weight, or the numbers or shapes differ.

    Examples:
        >>> import torch
        >>> from adapt.losses import fisher_penalty
        >>> fisher_penalty([torch.tensor([3.0])], [torch.tensor([1.0])], [torch.tensor([0.5])]).item()
        2.0
    """
    shapes = [[tuple(part.shape) for part in parts] for parts in (weights, start, importance)]
    if not weights or shapes[0] != shapes[1] or shapes[0] != shapes[2]:
        found = ", ".join(f"{len(part)} tensors" for part in shapes)
        raise AdaptError(f"fisher_penalty expects weights, start and importance of the same shapes, found {found}.")
    terms = [
        (full_precision(w) * (full_precision(x) - full_precision(y)).square()).sum()
        for x, y, w in zip(weights, start, importance, strict=True)
    ]
    return torch.stack(terms).sum()
