"""Relative unconstrained least-squares importance fitting."""

import torch
from torch import Tensor

from adapt.density_ratio.gaussian import bandwidth_of, double_pair, drawn, gaussians
from adapt.errors import AdaptError


def rulsif(
    source: Tensor,
    target: Tensor,
    *,
    alpha: float = 0.1,
    bandwidth: float | None = None,
    ridge: float = 0.1,
    centres: int = 100,
    seed: int = 0,
) -> Tensor:
    """Least-squares fit of the relative density ratio p_t(x) / (α p_t(x) + (1 − α) p_s(x)).

    RuLSIF, Yamada et al. 2011, https://arxiv.org/abs/1106.4729: w(x) = max(0, Σ_l θ_l exp(−‖x − c_l‖²/b)) with centres
    c_l drawn from the target and θ = (H + λI)⁻¹ h, where H = (α/M) Φ_tᵀΦ_t + ((1 − α)/N) Φ_sᵀΦ_s and
    h = (1/M) Φ_tᵀ1. The relative ratio is at most 1/α, so it is bounded and smoother than the plain ratio, α = 0
    (uLSIF). The paper picks b and λ by cross-validation; here they are arguments.

    Time grows with (N + M) · L · (d + L) + L³ for L centres, memory with (N + M) · L.

    Args:
        source: Features `(N, d)`.
        target: Features `(M, d)`; N ≠ M is allowed.
        alpha: Share α of the target in the denominator, in [0, 1).
        bandwidth: The width b in squared feature units; None for the median of all squared distances.
        ridge: Penalty λ on θ.
        centres: Largest number of basis functions; each is centred on a target sample (100 in the paper).
        seed: Seed for drawing the centres, and the samples for the median.

    Returns:
        Weights `(N,)`, nonnegative; their mean is not fixed.

    Raises:
        AdaptError: Shapes that do not fit, or options out of range.
    """
    s, t = double_pair("rulsif", source, target)
    if not 0 <= alpha < 1 or ridge <= 0 or centres < 1:
        raise AdaptError(
            f"rulsif expects alpha in [0, 1), ridge > 0 and centres >= 1, found {alpha}, {ridge} and {centres}."
        )
    width = bandwidth_of("rulsif", s, t, bandwidth, seed)
    points = drawn(t, centres, seed)
    at_source, at_target = gaussians(s, points, width), gaussians(t, points, width)
    second = alpha * at_target.T @ at_target / len(t) + (1 - alpha) * at_source.T @ at_source / len(s)
    theta = torch.linalg.solve(second + ridge * torch.eye(len(points), dtype=s.dtype), at_target.mean(0))
    weights: Tensor = (at_source @ theta).clamp_min(0)
    return weights.to(device=source.device, dtype=torch.promote_types(source.dtype, torch.float32))
