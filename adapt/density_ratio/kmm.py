"""Kernel mean matching."""

from types import ModuleType

import torch
from scipy import sparse
from torch import Tensor

from adapt.density_ratio.gaussian import bandwidth_of, double_pair, gaussians
from adapt.errors import AdaptError
from adapt.extras import optional

_TARGETS_AT_ONCE = 1000


def kmm(
    source: Tensor,
    target: Tensor,
    *,
    bandwidth: float | None = None,
    upper: float = 1000.0,
    slack: float | None = None,
    ridge: float = 1e-6,
    block: int = 2000,
    seed: int = 0,
) -> Tensor:
    """Weights that make the source's kernel mean match the target's, argmin_w ½ wᵀKw − κᵀw.

    Kernel mean matching, Huang et al. 2006,
    https://papers.nips.cc/paper_files/paper/2006/hash/a2186aa7c086b46ad4e8bf81e2a3a19b-Abstract.html, with
    K_ij = k(s_i, s_j), κ_i = (N/M) Σ_j k(s_i, t_j), k = exp(−d²/b), subject to 0 ≤ w_i ≤ B and |mean w − 1| ≤ ε. The
    quadratic programme is solved by OSQP to 1e-6; `ridge` on the diagonal of K makes its solution unique.
    The means match, but single weights do not follow the ratio: most are 0 and few are large; a wider b makes these
    fewer.

    A block of n samples needs a few times n² · 8 bytes, and its time grows with n³: one or two seconds for 800.
    Therefore more than `block` source samples are split at random into parts of nearly equal size. Each part is matched
    to the whole target separately. Target samples only cost time N · M.

    Args:
        source: Features `(N, d)`.
        target: Features `(M, d)`; N ≠ M is allowed.
        bandwidth: The width b in squared feature units; None for the median of all squared distances.
        upper: Bound B on a weight.
        slack: Bound ε on the mean's distance from 1; None for the paper's (√n − 1)/√n.
        ridge: Added to the diagonal of K.
        block: Largest number of source samples that are weighted at once.
        seed: Seed of the split, and for drawing the samples for the median.

    Returns:
        Weights `(N,)` in [0, B], whose mean is within ε of 1.

    Raises:
        AdaptError: OSQP is missing or finds no solution, shapes that do not fit, or options out of range.
    """
    s, t = double_pair("kmm", source, target)
    if upper <= 0 or (slack is not None and slack < 0) or ridge < 0 or block < 2:
        raise AdaptError(
            "kmm expects upper > 0, slack >= 0, ridge >= 0 and block >= 2, "
            f"found upper={upper}, slack={slack}, ridge={ridge}, block={block}."
        )
    width = bandwidth_of("kmm", s, t, bandwidth, seed)
    parts = -(-len(s) // block)
    order = torch.randperm(len(s), generator=torch.Generator().manual_seed(seed)) if parts > 1 else torch.arange(len(s))
    weights = torch.empty(len(s), dtype=s.dtype)
    for part in order.tensor_split(parts):
        weights[part] = _matched(s[part], t, width, upper, slack, ridge)
    return weights.to(device=source.device, dtype=torch.promote_types(source.dtype, torch.float32))


def solver() -> ModuleType:
    """The optional package OSQP, imported where it is used.

    Raises:
        AdaptError: It is not installed.
    """
    module: ModuleType = optional("osqp", "the solver OSQP", "kmm", "Kernel mean matching")
    return module


def _matched(s: Tensor, t: Tensor, width: float, upper: float, slack: float | None, ridge: float) -> Tensor:
    n = len(s)
    epsilon = 1 - n**-0.5 if slack is None else slack
    gram = gaussians(s, s, width) + ridge * torch.eye(n, dtype=s.dtype)
    # In chunks: the target may be much larger than a block of the source.
    sums = [gaussians(s, chunk, width).sum(1) for chunk in torch.split(t, _TARGETS_AT_ONCE)]
    kappa = torch.stack(sums).sum(0) * n / len(t)
    problem = solver().OSQP()
    problem.setup(
        P=sparse.csc_matrix(gram.triu().numpy()),
        q=-kappa.numpy(),
        A=sparse.vstack([sparse.eye(n), torch.ones(1, n).double().numpy()], format="csc"),
        l=torch.tensor([0.0] * n + [n * (1 - epsilon)]).double().numpy(),
        u=torch.tensor([upper] * n + [n * (1 + epsilon)]).double().numpy(),
        eps_abs=1e-6,
        eps_rel=1e-6,
        max_iter=100_000,
        polishing=True,
        # At a fixed number of steps and not by time: the same input must give the same weights.
        adaptive_rho_interval=50,
        verbose=False,
    )
    result = problem.solve(raise_error=False)
    if result.info.status != "solved":
        raise AdaptError(
            f"kmm found no weights: OSQP says {result.info.status!r}. Raise upper or slack, or the bandwidth."
        )
    # The solver meets its constraints only up to its tolerance.
    return torch.as_tensor(result.x).clamp(0, upper)
