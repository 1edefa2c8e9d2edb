"""Clustering among neighbours: what NRC, AaD and SF(DA)² adapt with."""

import math

import torch
from torch import Tensor
from torch.nn.functional import log_softmax

from adapt.errors import AdaptError
from adapt.losses.inputs import in_full_precision
from adapt.losses.predictions import class_logits


@in_full_precision
def aad(logits: Tensor, neighbours: Tensor, *, dispersion: float = 1.0) -> Tensor:
    """Attraction to neighbours and dispersion of the batch, (1/M) Σ_i [ −Σ_k p_i·s_ik + α Σ_{j≠i} p_i·p_j ].

    AaD, Yang et al. 2022, https://arxiv.org/abs/2205.04183, with p the softmax. A gradient passes through both factors
    of the second sum.

    Args:
        logits: Class logits of the batch `(M, K)`.
        neighbours: Stored predictions s of each sample's n nearest neighbours `(M, n, K)`, without gradient.
        dispersion: Weight α.

    Returns:
        Scalar without unit, in [−n, α (M − 1)].

    Raises:
        AdaptError: The shapes do not fit, or α is negative.

    Examples:
        >>> import torch
        >>> from adapt.losses import aad
        >>> logits = 100 * torch.eye(2)  # two samples, certain of two classes
        >>> aad(logits, logits.softmax(1)[:, None]).item()  # each agrees with its neighbour and with no other
        -1.0
    """
    p, near = _attracted("aad", logits, neighbours, dispersion)
    # All products but those of a sample with itself.
    other = p.sum(0).square().sum() - p.square().sum()
    return dispersion * other / len(p) - near.mean()


@in_full_precision
def nrc(
    logits: Tensor,
    neighbours: Tensor,
    affinity: Tensor,
    expanded: Tensor,
    *,
    expanded_affinity: float = 0.1,
) -> Tensor:
    """Agreement with neighbours and theirs, and diversity, −(1/M) Σ_i [ Σ_j A_ij s_ij·p_i + r Σ_l e_il·p_i ] − H(p̄).

    NRC, Yang et al. 2021, https://arxiv.org/abs/2110.04202, with p the softmax, p̄ its mean over the batch and H the
    entropy in nats.

    Args:
        logits: Class logits of the batch `(M, K)`.
        neighbours: Stored predictions s of each sample's n nearest neighbours `(M, n, K)`, without gradient.
        affinity: Weight A of each `(M, n)`: 1 where the sample is among its neighbour's neighbours, else r.
        expanded: Stored predictions e of all the neighbours' neighbours `(M, L, K)`.
        expanded_affinity: Their weight r.

    Returns:
        Scalar.

    Raises:
        AdaptError: The shapes do not fit.

    Examples:
        >>> import torch
        >>> from adapt.losses import nrc
        >>> logits = 100 * torch.eye(2)
        >>> near = logits.softmax(1)[:, None]
        >>> round(nrc(logits, near, torch.ones(2, 1), near).item(), 4)  # −1 − 0.1 − log 2
        -1.7931
    """
    p = _predictions("nrc", logits, neighbours)
    _predictions("nrc", logits, expanded)
    if affinity.shape != neighbours.shape[:2]:
        raise AdaptError(
            f"nrc expects one affinity per neighbour, {tuple(neighbours.shape[:2])}, found {tuple(affinity.shape)}."
        )
    near = torch.einsum("ik,ijk,ij->i", p, neighbours.detach(), affinity)
    further = expanded_affinity * torch.einsum("ik,ijk->i", p, expanded.detach())
    log_mean = torch.logsumexp(log_softmax(logits, dim=1), dim=0) - math.log(len(p))
    return (log_mean.exp() * log_mean).sum() - (near + further).mean()


@in_full_precision
def snc(logits: Tensor, neighbours: Tensor, *, dispersion: float = 1.0) -> Tensor:
    """Spectral neighbourhood clustering, (1/M) Σ_i [ −Σ_k p_i·s_ik + α Σ_{j≠i} (p_i·p_j)² ].

    SF(DA)², Hwang et al. 2024, https://arxiv.org/abs/2403.10834, with p the softmax. AaD's with the square of what
    drives apart, so that it pulls little at samples that are unlike anyway. A gradient passes through both factors.

    Args:
        logits: Class logits of the batch `(M, K)`.
        neighbours: Stored predictions s of each sample's n nearest neighbours `(M, n, K)`, without gradient.
        dispersion: Weight α.

    Returns:
        Scalar without unit, in [−n, α (M − 1)].

    Raises:
        AdaptError: The shapes do not fit, or α is negative.

    Examples:
        >>> import torch
        >>> from adapt.losses import snc
        >>> logits = torch.zeros(3, 2)  # three samples that know nothing: each p·p is 1/2
        >>> snc(logits, logits.softmax(1)[:, None]).item()  # −1/2 + 2 · 1/4
        0.0
    """
    p, near = _attracted("snc", logits, neighbours, dispersion)
    alike = (p @ p.T).square()
    return dispersion * (alike.sum() - alike.diagonal().sum()) / len(p) - near.mean()


def _attracted(loss: str, logits: Tensor, neighbours: Tensor, dispersion: float) -> tuple[Tensor, Tensor]:
    """Predictions p `(M, K)`, and their agreement with the neighbours `(M,)`, Σ_k p_i·s_ik."""
    if dispersion < 0:
        raise AdaptError(f"{loss} expects a dispersion of at least 0, found {dispersion}.")
    p = _predictions(loss, logits, neighbours)
    return p, torch.einsum("ik,ijk->i", p, neighbours.detach())


def _predictions(loss: str, logits: Tensor, neighbours: Tensor) -> Tensor:
    p = class_logits(loss, logits).softmax(1)
    if neighbours.ndim != 3 or (len(neighbours), neighbours.shape[2]) != p.shape or neighbours.shape[1] == 0:
        raise AdaptError(
            f"{loss} expects predictions (M, n, K) of the neighbours of logits {tuple(logits.shape)}, "
            f"found {tuple(neighbours.shape)}."
        )
    return p
