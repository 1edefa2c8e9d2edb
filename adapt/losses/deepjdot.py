"""Joint distribution optimal transport between two batches."""

import math
from types import ModuleType
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import log_softmax

from adapt.errors import AdaptError
from adapt.extras import optional
from adapt.losses.inputs import feature_pair, full_precision, in_full_precision
from adapt.losses.kernels import squared_distances_between

Solver = Literal["auto", "exact", "sinkhorn"]

_ROUNDS, _HALVINGS = 60, 10


@in_full_precision
def deepjdot(
    source: Tensor,
    target: Tensor,
    y: Tensor,
    target_logits: Tensor,
    *,
    alpha: float = 0.001,
    label_weight: float = 1e-4,
    solver: Solver = "auto",
    entropy: float = 0.01,
) -> Tensor:
    """Cost of the optimal plan between the batches' joint distributions, min_γ Σ_ij γ_ij C_ij.

    DeepJDOT, Damodaran et al. 2018, https://arxiv.org/abs/1803.10081:
    C_ij = α ‖g_i − g'_j‖² + λ_t CE(y_i, f_j), with source features g and labels y, target features g' and predictions
    f. γ couples the uniform weights 1/N and 1/M. It is computed from the detached cost and is constant for the gradient
    (which is then the gradient of the minimum itself). `exact` uses POT's network simplex on the CPU, so the CPU waits
    for the GPU at every step. `sinkhorn`, Cuturi 2013, https://arxiv.org/abs/1306.0895, stays on the device: it
    minimises Σ γ C + ε Σ γ log γ, and its cost is a little above the minimum.

    Args:
        source: Features g `(N, d)`.
        target: Features g' `(M, d)`; N ≠ M is allowed.
        y: Class indices of the source `(N,)`.
        target_logits: Logits of the target `(M, K)`.
        alpha: Weight α of the squared feature distances.
        label_weight: Weight λ_t of the cross-entropies.
        solver: `exact`, `sinkhorn`, or `auto`: `exact` on the CPU, `sinkhorn` elsewhere.
        entropy: ε of `sinkhorn`, as a share of the mean cost.

    Returns:
        Scalar, nonnegative: squared feature units and nats, each with its weight. Not finite if the input is not.

    Raises:
        AdaptError: POT is missing, the shapes do not fit, a weight is negative, or the solver is unknown.

    Examples:
        >>> import torch
        >>> from adapt.losses import deepjdot
        >>> x, y = torch.tensor([[0.0], [1.0]]), torch.tensor([0, 1])
        >>> logits = 100 * torch.eye(2)  # right for both
        >>> deepjdot(x, x, y, logits, alpha=1.0, label_weight=1.0, solver="sinkhorn").item()
        0.0
    """
    if solver not in ("auto", "exact", "sinkhorn") or entropy <= 0:
        raise AdaptError(
            "deepjdot expects solver 'auto', 'exact' or 'sinkhorn' and entropy above 0, "
            f"found {solver!r} and {entropy}."
        )
    exact = solver == "exact" or (solver == "auto" and source.device.type == "cpu")
    ot = pot() if exact else None
    cost = joint_cost(source, target, y, target_logits, alpha=alpha, label_weight=label_weight)
    if ot is None:
        return (sinkhorn_plan(cost.detach(), entropy) * cost).sum()
    if not torch.isfinite(cost).all():
        # There is no plan. The sum is not finite either, and the check of the loss reports it.
        return cost.sum()
    weights = [torch.full((n,), 1 / n, dtype=torch.float64).numpy() for n in cost.shape]
    plan = ot.emd(*weights, cost.detach().cpu().double().numpy(), numItermax=1_000_000)
    return (torch.as_tensor(plan, dtype=cost.dtype, device=cost.device) * cost).sum()


def sinkhorn_plan(cost: Tensor, entropy: float | Tensor) -> Tensor:
    """The entropic plan between uniform weights, in log space, with a fixed number of rounds.

    Args:
        cost: Costs `(N, M)`, without gradient.
        entropy: ε as a share of the mean cost.

    Returns:
        γ `(N, M)`. Each column sums to 1/M, each row approximately to 1/N.
    """
    n, m = cost.shape
    # Start with a large ε and halve it in each round: with the small ε alone it would take thousands of rounds.
    tiny = torch.finfo(cost.dtype).tiny
    final = (entropy * cost.mean()).clamp_min(tiny)
    rows, columns, width = cost.new_zeros(n), cost.new_zeros(m), final
    for k in range(_ROUNDS):
        width = final * 2.0 ** max(0, _HALVINGS - k)
        rows = -width * (math.log(n) + torch.logsumexp((columns - cost) / width, 1))
        columns = -width * (math.log(m) + torch.logsumexp((rows[:, None] - cost) / width, 0))
    return torch.exp((rows[:, None] + columns - cost) / width)


def joint_cost(
    source: Tensor, target: Tensor, y: Tensor, target_logits: Tensor, *, alpha: float, label_weight: float
) -> Tensor:
    """Costs `(N, M)` of moving each labelled source sample to each target sample, as in `deepjdot`."""
    source, target = feature_pair("deepjdot", source, target, minimum=1)
    if y.shape != (len(source),) or target_logits.ndim != 2 or len(target_logits) != len(target):
        raise AdaptError(
            f"deepjdot expects y (N,) and target_logits (M, K) for N = {len(source)} and M = {len(target)}, "
            f"found {tuple(y.shape)} and {tuple(target_logits.shape)}."
        )
    if alpha < 0 or label_weight < 0:
        raise AdaptError(f"deepjdot expects weights of at least 0, found alpha={alpha}, label_weight={label_weight}.")
    log_p = log_softmax(full_precision(target_logits), dim=1)
    return alpha * squared_distances_between(source, target) - label_weight * log_p[:, y].T


def pot() -> ModuleType:
    """The optional package POT, imported where it is used.

    Raises:
        AdaptError: It is not installed.
    """
    module: ModuleType = optional("ot", "POT (Python Optimal Transport)", "ot", "Optimal transport")
    return module
