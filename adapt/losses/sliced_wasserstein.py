"""Sliced Wasserstein distance."""

import torch
from torch import Tensor

from adapt.errors import AdaptError
from adapt.losses.inputs import feature_pair, in_full_precision


@in_full_precision
def sliced_wasserstein(
    x: Tensor, y: Tensor, *, projections: int | Tensor = 128, generator: torch.Generator | None = None
) -> Tensor:
    """Squared sliced 2-Wasserstein distance, the mean over directions θ of W₂²(⟨θ, x⟩, ⟨θ, y⟩).

    Rabin et al. 2011, https://doi.org/10.1007/978-3-642-24785-9_37; Bonneel et al. 2015,
    https://doi.org/10.1007/s10851-014-0506-3. On a line the optimal plan is monotone, W₂² = ∫₀¹ (F⁻¹(q) − G⁻¹(q))² dq.
    For N = M this is the mean squared difference of the sorted projections. For N ≠ M both quantile functions are step
    functions, and the integral is a sum over the union of their levels, without interpolation error.

    It compares any two samples: features of two domains, or the outputs of two classifiers on one domain (Lee et al.
    2019, https://arxiv.org/abs/1903.04064).

    Args:
        x: Points `(N, d)`.
        y: Points `(M, d)`; N ≠ M is allowed.
        projections: Number L of directions, drawn at each call, uniformly on the unit sphere; or the directions
            themselves `(d, L)`, which are used unchanged.
        generator: Source of the drawn directions, on the points' device; None for torch's own.

    Returns:
        Scalar in squared units of the points, nonnegative. It is the square of the distance, so its gradient is finite
        where the samples coincide. A shift by v gives ‖v‖² / d in expectation.

    Raises:
        AdaptError: No sample, different widths, a tensor that is not a matrix, or no directions of that width.

    Examples:
        >>> import torch
        >>> from adapt.losses import sliced_wasserstein
        >>> x = torch.tensor([[0.0], [1.0]])
        >>> sliced_wasserstein(x, x + 3).item()
        9.0
    """
    x, y = feature_pair("sliced_wasserstein", x, y, minimum=1)
    directions = _directions(x, projections, generator)
    x_sorted, y_sorted = (x @ directions).sort(0).values, (y @ directions).sort(0).values
    if len(x) == len(y):
        return (x_sorted - y_sorted).square().mean()
    x_rows, y_rows, mass = _monotone_plan(len(x), len(y), x.device)
    gaps = (x_sorted[x_rows] - y_sorted[y_rows]).square().mean(1)
    return (mass.to(gaps.dtype) * gaps).sum() / (len(x) * len(y))


def _directions(x: Tensor, projections: int | Tensor, generator: torch.Generator | None) -> Tensor:
    width = x.shape[1]
    if isinstance(projections, Tensor):
        if projections.ndim != 2 or len(projections) != width or projections.shape[1] == 0:
            raise AdaptError(
                f"sliced_wasserstein expects projections ({width}, L) for points of width {width}, "
                f"found {tuple(projections.shape)}."
            )
        return projections.to(x)
    if projections < 1:
        raise AdaptError(f"sliced_wasserstein expects at least 1 projection, found {projections}.")
    drawn = torch.randn(width, projections, generator=generator, device=x.device, dtype=x.dtype)
    return torch.nn.functional.normalize(drawn, dim=0)


def _monotone_plan(n: int, m: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Rows of both sorted samples that are compared, and the mass of each such pair in units of 1/(N·M)."""
    # In these units the levels i/N and j/M are integers: if two coincide, the mass between them is exactly 0.
    starts, ends = m * torch.arange(n, device=device), n * torch.arange(1, m + 1, device=device)
    levels = torch.cat([starts, ends]).sort().values
    return levels[:-1] // m, levels[:-1] // n, levels.diff()
