"""Entropic optimal transport between the features of two batches."""

import torch
from torch import Tensor

from adapt.errors import AdaptError
from adapt.losses.deepjdot import sinkhorn_plan
from adapt.losses.inputs import feature_pair, in_full_precision
from adapt.losses.kernels import squared_distances_between


@in_full_precision
def sinkhorn(source: Tensor, target: Tensor, *, entropy: float = 0.01, debiased: bool = False) -> Tensor:
    """Cost of the entropic plan between two batches, Σ_ij γ_ij ‖x_i − y_j‖².

    Cuturi 2013, https://arxiv.org/abs/1306.0895: γ minimises Σ γ C + ε Σ γ log γ over the couplings of the uniform
    weights 1/N and 1/M. It is found without gradient and is constant for it. For two equal batches the cost is not 0,
    because ε spreads the plan. `debiased` subtracts half of each batch's cost to itself: the Sinkhorn divergence of
    Genevay et al. 2018, https://arxiv.org/abs/1706.00292.

    Args:
        source: Features `(N, d)`.
        target: Features `(M, d)`; N ≠ M is allowed.
        entropy: ε, as a share of the mean cost between the two batches.
        debiased: Subtract the batches' costs to themselves.

    Returns:
        Scalar in squared feature units.

    Raises:
        AdaptError: A tensor is no matrix or is empty, the widths differ, or ε is not above 0.

    Examples:
        >>> import torch
        >>> from adapt.losses import sinkhorn
        >>> x = torch.tensor([[0.0], [1.0]])
        >>> round(sinkhorn(x, x + 3).item(), 3)  # each moves by 3
        9.0
    """
    source, target = feature_pair("sinkhorn", source, target, minimum=1)
    if entropy <= 0:
        raise AdaptError(f"sinkhorn expects entropy above 0, found {entropy}.")
    cost = squared_distances_between(source, target)
    # The same ε in all three, or they would not cancel.
    width = entropy * cost.detach().mean()
    found = _cost(cost, width)
    if debiased:
        own = [_cost(squared_distances_between(x, x), width) for x in (source, target)]
        found = found - (own[0] + own[1]) / 2
    return found


def _cost(cost: Tensor, width: Tensor) -> Tensor:
    share = width / cost.detach().mean().clamp_min(torch.finfo(cost.dtype).tiny)
    return (sinkhorn_plan(cost.detach(), share) * cost).sum()
