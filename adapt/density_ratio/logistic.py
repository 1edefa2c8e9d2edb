"""Density ratio from a classifier that tells the domains apart."""

import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from adapt.density_ratio.gaussian import double_pair
from adapt.errors import AdaptError


def logistic(source: Tensor, target: Tensor, *, inverse_penalty: float = 1.0) -> Tensor:
    """Density ratio from logistic regression between the domains, (N/M) · P(target | x) / P(source | x).

    Bickel, Brückner & Scheffer 2007, https://doi.org/10.1145/1273496.1273507. By Bayes' rule the odds are the ratio
    times M/N, the odds of the sample counts; the factor N/M removes these. The log ratio is linear in x. It is exact
    for two Gaussians with the same covariance, and cannot see a change of the variance alone. Features are scaled to
    unit variance over the pooled domains before the fit, so that the L2 penalty does not depend on their units.

    Time and memory grow with (N + M) · d.

    Args:
        source: Features `(N, d)`.
        target: Features `(M, d)`; N ≠ M is allowed.
        inverse_penalty: Scikit-learn's C, the inverse of the L2 penalty.

    Returns:
        Weights `(N,)`, positive. Their mean is near 1 if the model fits, but it is not fixed.

    Raises:
        AdaptError: Shapes that do not fit, values that are not finite, or a penalty that is not positive.
    """
    if inverse_penalty <= 0:
        raise AdaptError(f"logistic expects inverse_penalty above 0, found {inverse_penalty}.")
    s, t = double_pair("logistic", source, target)
    pooled = torch.cat([s, t])
    scale = pooled.std(0, correction=0)
    x = ((pooled - pooled.mean(0)) / torch.where(scale > 0, scale, torch.ones_like(scale))).numpy()
    y = torch.cat([torch.zeros(len(s)), torch.ones(len(t))]).numpy()
    odds = LogisticRegression(C=inverse_penalty, max_iter=1000).fit(x, y).decision_function(x[: len(s)])
    weights = torch.as_tensor(odds).exp() * len(s) / len(t)
    return weights.to(device=source.device, dtype=torch.promote_types(source.dtype, torch.float32))
