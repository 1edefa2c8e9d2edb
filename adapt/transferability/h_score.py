"""H-score: how much of the features' spread lies between the classes."""

import torch
from sklearn.covariance import ledoit_wolf
from torch import Tensor

from adapt.transferability.inputs import labelled

_ROUNDING = 1e-12


def h_score(features: Tensor, y: Tensor, shrinkage: bool = True) -> Tensor:
    """Spread between the classes' mean features, measured in the features' own covariance.

    Bao et al., An Information-Theoretic Approach to Transferability in Task Transfer Learning, ICIP 2019:
    `tr(cov(f)⁺ cov(E[f | y]))`. With few samples of wide features the covariance is too close to singular, and every
    network looks perfect. So by default it is shrunk (Ibrahim et al., Newer is not always better, 2021,
    https://arxiv.org/abs/2110.06893): `tr(Σ_δ⁻¹ (1 − δ) cov(E[f | y]))`, Σ_δ and δ by Ledoit and Wolf.

    Higher is better; at most the number of classes less one.

    Args:
        features: Features of labelled samples `(N, d)`.
        y: Class indices `(N,)`.
        shrinkage: Whether the covariance is shrunk.

    Returns:
        The score, a scalar.

    Raises:
        AdaptError: The shapes do not fit, features are not finite, or there is one class.

    Examples:
        >>> import torch
        >>> from adapt.transferability import h_score
        >>> y = torch.tensor([0, 1] * 50)
        >>> round(h_score(torch.stack([y.float(), torch.zeros(100)], 1), y, shrinkage=False).item(), 4)
        1.0
    """
    x, y = labelled("h_score", features, y)
    largest = x.abs().max()
    x = x - x.mean(0)
    if x.abs().max() <= _ROUNDING * largest:
        return x.new_zeros(())  # a network that gives all samples the same: nothing lies between its classes
    sums = torch.zeros(int(y.max()) + 1, x.shape[1], dtype=x.dtype).index_add_(0, y, x)
    means = (sums / y.bincount()[:, None])[y]
    between = means.T @ means / len(x)
    if not shrinkage:
        within = x.T @ x / len(x)
        score: Tensor = (torch.linalg.pinv(within, hermitian=True) * between).sum()
        return score
    shrunk, delta = ledoit_wolf(x.numpy(), assume_centered=True)
    covariance = torch.from_numpy(shrunk)
    try:
        score = torch.linalg.solve(covariance, between).trace()
    except torch.linalg.LinAlgError:  # type: ignore[attr-defined]  # it is there
        # Two places alone, such as one unit that is on or off, are not shrunk at all.
        score = (torch.linalg.pinv(covariance, hermitian=True) * between).sum()
    return (1 - float(delta)) * score
