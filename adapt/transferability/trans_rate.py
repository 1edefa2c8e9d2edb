"""TransRate: how many bits the features take, less what they take within a class."""

import torch
from torch import Tensor

from adapt.errors import AdaptError
from adapt.transferability.inputs import labelled


def trans_rate(features: Tensor, y: Tensor, epsilon: float = 1e-4) -> Tensor:
    """Coding rate of all features less the mean coding rate of each class's: an estimate of their mutual information.

    Huang et al., Frustratingly Easy Transferability Estimation, ICML 2022, https://arxiv.org/abs/2106.09362:
    `R(Z) − Σ_k (N_k / N) R(Z_k)`, with centred features Z `(N, d)` and `R(Z) = ½ log det(I + ZᵀZ / (N ε))`. First the
    features are divided by their root mean square, so that ε means the same for every network: our departure.

    Higher is better.

    Args:
        features: Features of labelled samples `(N, d)`.
        y: Class indices `(N,)`.
        epsilon: Distortion ε, in squares of the features' root mean square.

    Returns:
        The score, a scalar in nats.

    Raises:
        AdaptError: The shapes do not fit, features are not finite, there is one class, or ε is not above 0.

    Examples:
        >>> import torch
        >>> from adapt.transferability import trans_rate
        >>> y = torch.tensor([0, 1] * 50)
        >>> bool(trans_rate(y[:, None] + 0.1 * torch.randn(100, 2), y) > trans_rate(torch.randn(100, 2), y))
        True
    """
    if not epsilon > 0:
        raise AdaptError(f"trans_rate expects epsilon above 0, found {epsilon}.")
    x, y = labelled("trans_rate", features, y)
    x = x - x.mean(0)
    x = x / x.square().mean().sqrt().clamp_min(torch.finfo(x.dtype).tiny)
    parts = [x[y == k] for k in range(int(y.max()) + 1)]
    within = sum(len(part) / len(x) * _coding_rate(part, epsilon) for part in parts)
    return _coding_rate(x, epsilon) - within


def _coding_rate(z: Tensor, epsilon: float) -> Tensor:
    # Both products have the same determinant; the smaller one is cheaper.
    product = z.T @ z if z.shape[1] <= len(z) else z @ z.T
    return torch.logdet(torch.eye(len(product), dtype=z.dtype) + product / (len(z) * epsilon)) / 2
