"""Adaptive feature norm."""

import torch
from torch import Tensor

from adapt.losses.inputs import feature_pair, in_full_precision


@in_full_precision
def safn(source: Tensor, target: Tensor, *, step: float = 1.0) -> Tensor:
    """Stepwise adaptive feature norm, (1/N) Σ_i (‖f_i‖ − r_i)² of each domain, with r_i = ‖f_i‖ + step detached.

    Larger Norm More Transferable, Xu et al. 2019, https://arxiv.org/abs/1811.07456. Every norm should grow by one step.
    The value is always 2 · step²; the gradient −2 · step · f_i / (N ‖f_i‖) is what matters.

    Args:
        source: Features `(N, d)`.
        target: Features `(M, d)`; N ≠ M is allowed.
        step: How much each norm should grow, in feature units.

    Returns:
        Scalar, in feature units squared: the sum of both domains' terms. Features of 0 get no gradient.

    Raises:
        AdaptError: A domain is empty, different widths, or a tensor that is not a matrix.

    Examples:
        >>> import torch
        >>> from adapt.losses import safn
        >>> safn(torch.ones(3, 2), torch.ones(5, 2), step=0.5).item()  # always 2 · step²
        0.5
    """
    source, target = feature_pair("safn", source, target, minimum=1)
    within_source, within_target = ((n - (n.detach() + step)).square().mean() for n in _norms(source, target))
    return within_source + within_target


@in_full_precision
def hafn(source: Tensor, target: Tensor, *, radius: float = 25.0) -> Tensor:
    """Hard adaptive feature norm, ((1/N) Σ_i ‖f_i‖ − R)² of each domain.

    Larger Norm More Transferable, Xu et al. 2019, https://arxiv.org/abs/1811.07456.

    Args:
        source: Features `(N, d)`.
        target: Features `(M, d)`; N ≠ M is allowed.
        radius: R, the value that both mean norms should reach, in feature units.

    Returns:
        Scalar, nonnegative, in feature units squared: the sum of both domains' terms.

    Raises:
        AdaptError: A domain is empty, different widths, or a tensor that is not a matrix.

    Examples:
        >>> import torch
        >>> from adapt.losses import hafn
        >>> hafn(torch.tensor([[3.0, 4.0]]), torch.tensor([[6.0, 8.0]]), radius=5.0).item()  # norms 5 and 10
        25.0
    """
    source, target = feature_pair("hafn", source, target, minimum=1)
    within_source, within_target = ((n.mean() - radius).square() for n in _norms(source, target))
    return within_source + within_target


def _norms(source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    return torch.linalg.vector_norm(source, dim=1), torch.linalg.vector_norm(target, dim=1)
