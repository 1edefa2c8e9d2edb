"""Transfer component analysis: components that keep the variance while the domains' means agree."""

from typing import Literal, NamedTuple

import torch
from scipy.linalg import eigh
from torch import Tensor

from adapt.errors import AdaptError
from adapt.losses.inputs import feature_pair, full_precision
from adapt.losses.kernels import squared_distances, squared_distances_between


class TransferComponents(NamedTuple):
    """A kernel projection for both domains.

    Attributes:
        landmarks: The samples Z `(m, d)` that every input is compared with.
        weight: W `(m, k)`.
        bias: Centres the components `(k,)`.
        bandwidth: b of exp(−d²/b), a scalar; 0 is the linear kernel.
    """

    landmarks: Tensor
    weight: Tensor
    bias: Tensor
    bandwidth: Tensor


def tca(
    source: Tensor,
    target: Tensor,
    *,
    components: int,
    kernel: Literal["gaussian", "linear"] = "linear",
    scale: float = 1.0,
    regularization: float = 1.0,
    whiten: bool = False,
    landmarks: Tensor | None = None,
) -> TransferComponents:
    """The k components with much variance and a small gap between the domains' means.

    Pan et al. 2011, https://doi.org/10.1109/TNN.2010.2091281: W holds the leading eigenvectors of
    (K L K + μ I)^{−1} K H K for the pooled kernel matrix K, with L = e eᵀ, e = 1/N on the source and −1/M on the
    target, and H = I − 11ᵀ/(N + M). L has rank one, so K L K = g gᵀ, where g is the gap between the domains' mean
    kernel values. The components are those of kernel PCA with g's direction suppressed; a smaller μ suppresses it more.

    The cost is cubic in N + M. With landmarks Z the components are functions Σ_j w_j k(·, z_j), and K is `(N + M, m)`.
    Mean and variance still use all samples. Z = all samples is the paper's method.

    The components are centred, and one common factor brings their mean variance over both domains to 1. Their variances
    are in the ratio of the eigenvalues, as in other implementations. The paper requires WᵀKHKW = I, unit variance of
    every component. `whiten` does this; it also amplifies the noise of the last components.

    Args:
        source: Features `(N, d)`.
        target: Features `(M, d)`; N ≠ M is allowed.
        components: Number of components k.
        kernel: `gaussian`, exp(−d²/b), or `linear`, the dot product.
        scale: b in units of the landmarks' mean squared distance, for the Gaussian kernel.
        regularization: μ, above 0.
        whiten: Scale every component to unit variance.
        landmarks: Z `(m, d)`; None for all samples.

    Returns:
        What `transfer_components` applies, in double precision.

    Raises:
        AdaptError: Fewer than 2 samples, different widths, an argument out of range, or k above the kernel's rank.

    Examples:
        >>> import torch
        >>> from adapt.losses import tca
        >>> x = torch.tensor([[0.0, 0.0], [0.0, 1.0], [0.0, 2.0]])
        >>> y = x + torch.tensor([5.0, 0.0])  # the domains differ along the first axis
        >>> tca(x, y, components=1).weight.shape
        torch.Size([6, 1])
    """
    source, target = (x.double() for x in feature_pair("tca", source, target))
    z = torch.cat([source, target]) if landmarks is None else landmarks.double()
    if kernel not in ("gaussian", "linear"):
        raise AdaptError(f"tca expects kernel 'gaussian' or 'linear', found {kernel!r}.")
    if regularization <= 0 or scale <= 0:
        raise AdaptError(f"tca expects positive numbers, found regularization={regularization}, scale={scale}.")
    if not 1 <= components < len(z):
        raise AdaptError(f"tca expects components from 1 to {len(z) - 1} for {len(z)} landmarks, found {components}.")
    bandwidth = z.new_zeros(())
    if kernel == "gaussian":
        bandwidth = scale * squared_distances(z).sum() / (len(z) * (len(z) - 1))
    width = bandwidth if kernel == "gaussian" else None
    of_source, of_target = (kernel_values(x, z, width) for x in (source, target))
    gap = of_source.mean(0) - of_target.mean(0)
    pooled = torch.cat([of_source, of_target])
    mean = pooled.mean(0)
    scatter = (pooled - mean).T @ (pooled - mean)
    constraint = torch.outer(gap, gap) + regularization * torch.eye(len(z), dtype=z.dtype, device=z.device)
    matrices = (matrix.cpu().numpy() for matrix in (scatter, constraint))
    values, vectors = eigh(*matrices, subset_by_index=[len(z) - components, len(z) - 1])
    if values[0] <= 1e-10 * values[-1]:
        raise AdaptError(f"tca found fewer than {components} components that vary: lower components.")
    # The solver's vectors satisfy wᵀ (K L K + μ I) w = 1, so wᵀ K H K w is the eigenvalue.
    spread = values if whiten else values.mean()
    weight = torch.from_numpy(vectors * ((len(pooled) - 1) / spread) ** 0.5).flip(1).to(z)
    return TransferComponents(z, weight, -mean @ weight, bandwidth)


def transfer_components(
    x: Tensor, fitted: TransferComponents, *, kernel: Literal["gaussian", "linear"] | None = None
) -> Tensor:
    """The components of features of either domain.

    Args:
        x: Features `(N, d)`.
        fitted: The result of `tca`.
        kernel: Its kernel; None reads the bandwidth, which makes the CPU wait for the GPU.

    Returns:
        Components `(N, k)`.

    Examples:
        >>> import torch
        >>> from adapt.losses import tca, transfer_components
        >>> x = torch.tensor([[0.0, 0.0], [0.0, 1.0], [0.0, 2.0]])
        >>> fitted = tca(x, x + torch.tensor([5.0, 0.0]), components=1)
        >>> transfer_components(x.double(), fitted).shape
        torch.Size([3, 1])
    """
    if kernel is None:
        kernel = "linear" if fitted.bandwidth == 0 else "gaussian"
    # The weights are large and have both signs: half precision would lose their sum.
    with torch.autocast(x.device.type, enabled=False):
        values = kernel_values(full_precision(x), fitted.landmarks, None if kernel == "linear" else fitted.bandwidth)
        return values @ fitted.weight + fitted.bias


def kernel_values(x: Tensor, landmarks: Tensor, bandwidth: Tensor | None) -> Tensor:
    """Kernel values `(N, m)` of points `(N, d)` and landmarks `(m, d)`; the dot product if there is no bandwidth."""
    if bandwidth is None:
        return x @ landmarks.T
    return torch.exp(-squared_distances_between(x, landmarks) / bandwidth)
