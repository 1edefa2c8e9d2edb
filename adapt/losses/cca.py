"""Directions of two views that are correlated."""

import torch
from torch import Tensor

from adapt.errors import AdaptError
from adapt.losses.coral import covariance


def canonical_correlation(
    first: Tensor, second: Tensor, *, components: int, regularization: float = 0.0
) -> tuple[Tensor, Tensor, Tensor]:
    """Projections of two views of the same samples whose columns are correlated as much as they can be.

    Hotelling 1936, https://doi.org/10.1093/biomet/28.3-4.321, with the ridge of Vinod 1976
    (https://doi.org/10.1016/0304-4076(76)90010-5): with C_a, C_b the covariances (n − 1) plus λI, λ = r · tr C / d, and
    C_ab the cross-covariance, `C_a^{−½} C_ab C_b^{−½} = U S Vᵀ`, and the projections are `C_a^{−½} U`, `C_b^{−½} V`.
    Projected centred samples have variance 1 (with r = 0), are uncorrelated among themselves, and the k-th columns of
    the two views have the correlation S_k.

    Args:
        first: Features of one view `(N, d)`.
        second: Features of the other view of the same samples `(N, e)`.
        components: Number of columns k, at most min(d, e, N − 1).
        regularization: r ≥ 0, in units of each view's mean variance; needed where N is not well above d + e, since
            directions that two views share by chance otherwise have correlation 1.

    Returns:
        Projections `(d, k)` and `(e, k)`, and the correlations `(k,)` in descending order, in double precision.

    Raises:
        AdaptError: A tensor is not a matrix, the sample counts differ, or an argument is out of range.

    Examples:
        >>> import torch
        >>> from adapt.losses import canonical_correlation
        >>> a = torch.tensor([[1.0, 5.0], [2.0, -5.0], [3.0, -5.0], [4.0, 5.0]])
        >>> canonical_correlation(a, 2 * a[:, :1] + 1, components=1)[2]  # the first column again
        tensor([1.0000], dtype=torch.float64)
    """
    found = f"found {tuple(first.shape)} and {tuple(second.shape)}"
    if first.ndim != 2 or second.ndim != 2 or len(first) != len(second):
        raise AdaptError(f"canonical_correlation expects two views (N, d) and (N, e) of the same samples, {found}.")
    most = min(first.shape[1], second.shape[1], len(first) - 1)
    if not 1 <= components <= most or regularization < 0:
        raise AdaptError(
            f"canonical_correlation expects components from 1 to {most} and a regularization of at least 0, found "
            f"{components} and {regularization}."
        )
    a, b = (x.double() - x.double().mean(0) for x in (first, second))
    inverse = [_inverse_root(covariance(x), regularization) for x in (a, b)]
    across = a.T @ b / (len(a) - 1)
    left, values, right = torch.linalg.svd(inverse[0] @ across @ inverse[1], full_matrices=False)
    return inverse[0] @ left[:, :components], inverse[1] @ right[:components].T, values[:components]


def _inverse_root(matrix: Tensor, regularization: float) -> Tensor:
    ridge = regularization * matrix.trace() / len(matrix)
    values, axes = torch.linalg.eigh(matrix + ridge * torch.eye(len(matrix)).to(matrix))
    # Directions in which nothing varies have no correlation; without a ridge they would have any.
    kept = values > values.max() * 1e-10
    scale = torch.where(kept, values.clamp_min(torch.finfo(values.dtype).tiny).rsqrt(), 0)
    root: Tensor = (axes * scale) @ axes.T
    return root
