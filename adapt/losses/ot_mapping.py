"""Optimal transport of source samples onto the target."""

from typing import Literal

import torch
from torch import Tensor

from adapt.errors import AdaptError
from adapt.losses.deepjdot import pot
from adapt.losses.inputs import feature_pair
from adapt.losses.kernels import squared_distances_between

Plan = Literal["emd", "sinkhorn", "group_lasso"]
_TOLERANCE = 0.01


def transport_plan(
    source: Tensor,
    target: Tensor,
    y: Tensor | None = None,
    *,
    plan: Plan = "sinkhorn",
    entropy: float = 0.1,
    group: float = 0.1,
) -> Tensor:
    """The plan γ between two samples of uniform weights that minimises Σ_ij γ_ij C_ij + ε Σ_ij γ_ij log γ_ij + η Ω(γ).

    Courty et al. 2017, https://arxiv.org/abs/1507.00504, by POT. C_ij = ‖x_i − x'_j‖² / median, so ε and η mean the
    same for features of any size. `emd` is the exact plan (ε = η = 0), `sinkhorn` the entropic one (η = 0), and
    `group_lasso` adds Ω = Σ_j Σ_k ‖γ_{I_k j}‖_1^{½} over the source samples I_k of each class. Then a target sample
    receives mass from few classes (POT's majorisation of the paper's l_p–l_1 norm with p = ½).

    Args:
        source: Features `(N, d)`.
        target: Features `(M, d)`; N ≠ M is allowed.
        y: Class indices of the source `(N,)`, for `group_lasso`.
        plan: One of the three plans above.
        entropy: ε.
        group: η.

    Returns:
        γ `(N, M)`, nonnegative, with sum 1; in double precision, on the CPU.

    Raises:
        AdaptError: POT is missing, the input or an argument is out of range, or no plan was found.

    Examples:
        >>> import torch
        >>> from adapt.losses import transport_plan
        >>> x = torch.tensor([[0.0], [1.0]])
        >>> transport_plan(x, x + 3, entropy=0.01).round(decimals=2)
        tensor([[0.5000, 0.0000],
                [0.0000, 0.5000]], dtype=torch.float64)
    """
    ot = pot()
    source, target = (x.double().cpu() for x in feature_pair("transport_plan", source, target, minimum=1))
    if plan not in ("emd", "sinkhorn", "group_lasso"):
        raise AdaptError(f"transport_plan expects plan 'emd', 'sinkhorn' or 'group_lasso', found {plan!r}.")
    if entropy <= 0 or group < 0:
        raise AdaptError(f"transport_plan expects entropy > 0 and group >= 0, found {entropy} and {group}.")
    distances = squared_distances_between(source, target)
    cost = (distances / distances.median().clamp_min(torch.finfo(distances.dtype).tiny)).numpy()
    weights = [torch.full((n,), 1 / n, dtype=torch.float64).numpy() for n in cost.shape]
    if plan == "emd":
        found = ot.emd(*weights, cost, numItermax=1_000_000)
    elif plan == "sinkhorn":
        found = ot.sinkhorn(*weights, cost, entropy, method="sinkhorn", numItermax=5000, stopThr=1e-6, warn=False)
    else:
        if y is None or y.shape != (len(source),):
            raise AdaptError(f"transport_plan expects y ({len(source)},) for 'group_lasso', found {_shape(y)}.")
        labels = y.cpu().numpy()
        found = ot.da.sinkhorn_lpl1_mm(weights[0], labels, weights[1], cost, entropy, group, stopInnerThr=1e-6)
    result = torch.from_numpy(found)
    # If ε is small compared with the largest costs, Sinkhorn's scaling underflows or has not converged.
    missed = float((len(source) * result.sum(1) - 1).abs().max())
    if not missed < _TOLERANCE:
        raise AdaptError(
            f"transport_plan found no {plan} plan that moves each source sample fully (worst error {missed:.2g} of "
            f"its mass): raise entropy above {entropy}."
        )
    return result


def barycentric_map(plan: Tensor, target: Tensor) -> Tensor:
    """New position of each source sample: the mean of the target, weighted by the sample's row of the plan.

    Args:
        plan: γ `(N, M)`.
        target: Features `(M, d)`.

    Returns:
        Features `(N, d)`, inside the convex hull of the target.

    Examples:
        >>> import torch
        >>> from adapt.losses import barycentric_map
        >>> barycentric_map(torch.tensor([[0.25, 0.25]]), torch.tensor([[0.0], [2.0]]))  # a mean
        tensor([[1.]])
    """
    return (plan / plan.sum(1, keepdim=True)) @ target.to(plan)


def nearest_shift(x: Tensor, anchors: Tensor, mapped: Tensor) -> Tensor:
    """Map samples that were not in the plan: each moves like its nearest neighbour in the plan.

    Ferradans et al. 2014, https://arxiv.org/abs/1307.5551: x ↦ x + T(a) − a, where a is the anchor nearest to x.

    Args:
        x: Features `(N, d)`.
        anchors: Samples a of the plan `(A, d)`.
        mapped: Their new positions T(a) `(A, d)`.

    Returns:
        Features `(N, d)`.

    Examples:
        >>> import torch
        >>> from adapt.losses import nearest_shift
        >>> anchors = torch.tensor([[0.0], [10.0]])
        >>> nearest_shift(torch.tensor([[9.0]]), anchors, anchors + 5)  # moves as 10 does
        tensor([[14.]])
    """
    nearest = squared_distances_between(x, anchors).argmin(1)
    return x + (mapped - anchors)[nearest]


def _shape(y: Tensor | None) -> str:
    return "none" if y is None else str(tuple(y.shape))
