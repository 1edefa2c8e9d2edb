"""Kullback–Leibler importance estimation procedure."""

import math

import torch
from torch import Tensor

from adapt.density_ratio.gaussian import bandwidth_of, double_pair, drawn, gaussians
from adapt.errors import AdaptError


def kliep(
    source: Tensor,
    target: Tensor,
    *,
    bandwidth: float | None = None,
    centres: int = 100,
    iterations: int = 2000,
    tolerance: float = 1e-4,
    seed: int = 0,
) -> Tensor:
    """Density ratio w(x) = Σ_l α_l exp(−‖x − c_l‖²/b) with w(x) p_s(x) closest to p_t(x) in relative entropy.

    KLIEP, Sugiyama et al. 2007,
    https://papers.nips.cc/paper/2007/hash/be83ab3ecd0db773eb2dc1b0a17836a1-Abstract.html: maximise Σ_j log w(t_j)
    subject to Σ_i w(s_i) = N and α ≥ 0, with centres c_l drawn from the target. The problem is concave; see
    `kliep_coefficients` for the solver. The paper picks b by cross-validated likelihood. Here the default is the median
    of all squared distances.

    Time grows with (N + M) · L · (d + iterations) for L centres, memory with (N + M) · L.

    Args:
        source: Features `(N, d)`.
        target: Features `(M, d)`; N ≠ M is allowed.
        bandwidth: The width b in squared feature units; None for the median.
        centres: Largest number of basis functions; each is centred on a target sample (100 in the paper).
        iterations: Largest number of steps.
        tolerance: Stop early when the mean log ratio at the target is this close to its maximum, in nats.
        seed: Seed for drawing the centres, and the samples for the median.

    Returns:
        Weights `(N,)`, nonnegative, with mean 1.

    Raises:
        AdaptError: Shapes that do not fit, options out of range, or no centre with a source sample near it.
    """
    s, t = double_pair("kliep", source, target)
    if centres < 1 or iterations < 1:
        raise AdaptError(f"kliep expects centres and iterations of at least 1, found {centres} and {iterations}.")
    width = bandwidth_of("kliep", s, t, bandwidth, seed)
    points = drawn(t, centres, seed)
    at_source = gaussians(s, points, width)
    alpha = kliep_coefficients(gaussians(t, points, width), at_source.mean(0), iterations, tolerance)
    return (at_source @ alpha).to(device=source.device, dtype=torch.promote_types(source.dtype, torch.float32))


def kliep_coefficients(at_target: Tensor, source_mean: Tensor, iterations: int, tolerance: float) -> Tensor:
    """Coefficients α ≥ 0 with α · `source_mean` = 1 that maximise mean_j log(Φα)_j.

    With β_l = α_l · source_mean_l this is the likelihood of a mixture with fixed components. Its expectation
    maximisation is β_l ← β_l · D_l, D_l = mean_j (Φ_jl / source_mean_l) / (Φα)_j. It keeps the constraints without a
    projection and needs no step size, unlike the paper's gradient ascent. It never lowers the likelihood. The
    likelihood is at most log max_l D_l below its maximum.

    Args:
        at_target: Basis functions at the target Φ `(M, L)`.
        source_mean: Their means over the source `(L,)`.
        iterations: Largest number of steps.
        tolerance: Distance from the maximum, in nats, at which to stop early.

    Returns:
        Coefficients `(L,)`.

    Raises:
        AdaptError: No basis function reaches the source.
    """
    # Without a source sample near a centre, no weight can match the target there.
    used = source_mean > torch.finfo(source_mean.dtype).tiny
    if not used.any():
        raise AdaptError("kliep expects domains that overlap, found no source sample near the target. Raise bandwidth.")
    components = at_target[:, used] / source_mean[used]
    beta = torch.full((components.shape[1],), 1 / components.shape[1], dtype=components.dtype)
    smallest = torch.finfo(components.dtype).tiny
    for _ in range(iterations):
        slopes = components.T @ (components @ beta).clamp_min(smallest).reciprocal() / len(components)
        if math.log(float(slopes.max())) <= tolerance:
            break
        beta = beta * slopes
        beta = beta / beta.sum()  # differs from 1 only by rounding
    alpha = torch.zeros_like(source_mean)
    alpha[used] = beta / source_mean[used]
    return alpha
