"""Correlation alignment as an affine map of the source."""

import torch
from torch import Tensor

from adapt.errors import AdaptError
from adapt.losses.coral import covariance
from adapt.losses.inputs import feature_pair

_SINGULAR = 1e-10


def coral_map(source: Tensor, target: Tensor, *, regularization: float = 1.0) -> tuple[Tensor, Tensor]:
    """The map x ↦ x A + b that gives source features the target's covariance and mean.

    CORAL, Sun, Feng & Saenko 2016, https://arxiv.org/abs/1511.05547: A = (C_s + λ_s I)^{−½} (C_t + λ_t I)^{½},
    b = μ_t − μ_s A, with each domain's covariance C (n − 1) and λ = r · tr C / d. The paper standardises every feature
    of both domains and takes λ = 1, which equals r = 1 there. As r is in units of the mean variance, it means the same
    for features of any size. Aᵀ (C_s + λ_s I) A = C_t + λ_t I.

    Args:
        source: Features `(N, d)`.
        target: Features `(M, d)`; N ≠ M is allowed.
        regularization: r, 0 or more.

    Returns:
        A `(d, d)` and b `(d,)`, in double precision.

    Raises:
        AdaptError: Input that `coral` refuses, a negative r, or a singular covariance with r = 0.

    Examples:
        >>> import torch
        >>> from adapt.losses import coral_map
        >>> x = torch.tensor([[0.0], [2.0]])
        >>> matrix, shift = coral_map(x, 10 + 2 * x, regularization=1e-6)
        >>> x @ matrix.float() + shift.float()
        tensor([[10.],
                [14.]])
    """
    source, target = (x.double() for x in feature_pair("coral_map", source, target))
    if regularization < 0:
        raise AdaptError(f"coral_map expects regularization of at least 0, found {regularization}.")
    weight = _power(source, regularization, -0.5) @ _power(target, regularization, 0.5)
    return weight, target.mean(0) - source.mean(0) @ weight


def _power(x: Tensor, regularization: float, exponent: float) -> Tensor:
    matrix = covariance(x)
    values, vectors = torch.linalg.eigh(matrix)
    values = values.clamp_min(0) + regularization * matrix.diagonal().mean()
    if exponent < 0 and values[0] <= _SINGULAR * values[-1]:
        raise AdaptError(
            f"coral_map expects a source covariance of full rank, found {len(x)} samples of {x.shape[1]} features "
            "with no variance in some direction: give a regularization above 0."
        )
    power: Tensor = (vectors * values**exponent) @ vectors.T
    return power
