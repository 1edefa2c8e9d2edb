"""Joint distribution optimal transport between two batches."""

from types import ModuleType

import torch
from torch import Tensor
from torch.nn.functional import log_softmax

from adapt.errors import AdaptError
from adapt.extras import optional
from adapt.losses.inputs import feature_pair, full_precision, in_full_precision
from adapt.losses.kernels import squared_distances_between


@in_full_precision
def deepjdot(
    source: Tensor,
    target: Tensor,
    y: Tensor,
    target_logits: Tensor,
    *,
    alpha: float = 0.001,
    label_weight: float = 1e-4,
) -> Tensor:
    """Cost of the optimal plan between the batches' joint distributions, min_γ Σ_ij γ_ij C_ij.

    DeepJDOT, Damodaran et al. 2018, https://arxiv.org/abs/1803.10081:
    C_ij = α ‖g_i − g'_j‖² + λ_t CE(y_i, f_j), with source features g and labels y, target features g' and predictions
    f. γ couples the uniform weights 1/N and 1/M; it is the exact plan of the detached cost, by POT's network simplex on
    the CPU, and constant for the gradient (at the minimum that is the gradient of the minimum itself).

    Args:
        source: Features g `(N, d)`.
        target: Features g' `(M, d)`; N ≠ M is allowed.
        y: Class indices of the source `(N,)`.
        target_logits: Logits of the target `(M, K)`.
        alpha: Weight α of the squared feature distances.
        label_weight: Weight λ_t of the cross-entropies.

    Returns:
        Scalar, nonnegative, in nats and squared feature units by their weights; not finite where the input is not.

    Raises:
        AdaptError: POT is missing, shapes that do not belong together, or a negative weight.
    """
    ot = pot()
    cost = joint_cost(source, target, y, target_logits, alpha=alpha, label_weight=label_weight)
    if not torch.isfinite(cost).all():
        # No plan exists; the sum hands the fault on to whoever checks the loss.
        return cost.sum()
    weights = [torch.full((n,), 1 / n, dtype=torch.float64).numpy() for n in cost.shape]
    plan = ot.emd(*weights, cost.detach().cpu().double().numpy(), numItermax=1_000_000)
    return (torch.as_tensor(plan, dtype=cost.dtype, device=cost.device) * cost).sum()


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
