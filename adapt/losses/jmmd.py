"""Joint maximum mean discrepancy."""

from collections.abc import Sequence

import torch
from torch import Tensor

from adapt.errors import AdaptError
from adapt.losses.inputs import feature_pair, in_full_precision
from adapt.losses.kernels import kernel_widths
from adapt.losses.mmd import Estimator, kernel_discrepancy

SOFTMAX_BANDWIDTH = 1.68
"""The bandwidth b of exp(−d²/b) on softmax outputs, from the paper's authors' code."""


@in_full_precision
def jmmd(
    source: Sequence[Tensor],
    target: Sequence[Tensor],
    *,
    bandwidths: Sequence[float | None] = (None, SOFTMAX_BANDWIDTH),
    scales: Sequence[float] | None = None,
    estimator: Estimator = "unbiased",
) -> Tensor:
    """Squared MMD of several layers' joint activations; the kernel is the product of the layers' kernels.

    JAN, Long et al. 2017, https://arxiv.org/abs/1605.06636:
    E Π_l k_l(s_l, s'_l) + E Π_l k_l(t_l, t'_l) − 2 E Π_l k_l(s_l, t_l), where each sample keeps its own activations in
    all layers. A layer with bandwidth b has the kernel exp(−d²/b). A layer with None has the sum of Gaussians around
    the pooled batch's mean distance, as `adapt.losses.mmd` with `kernel="mean"`.

    Args:
        source: Activations of each layer, `(N, d_l)`; by default features and softmax outputs, in this order.
        target: Activations of each layer, `(M, d_l)`; N ≠ M is allowed.
        bandwidths: One value b for each layer, in squared units of the layer, or None.
        scales: Factors of the mean distance, for the layers with None; None is (1/4, 1/2, 1, 2, 4).
        estimator: `"unbiased"`, `"biased"` or `"linear"`, as in `adapt.losses.mmd`.

    Returns:
        Scalar without unit, in [−2, 2] times the product of the numbers of kernels.

    Raises:
        AdaptError: The numbers of layers or samples do not fit, or `adapt.losses.mmd` refuses the input.

    Examples:
        >>> import torch
        >>> from adapt.losses import jmmd
        >>> x, logits = torch.randn(8, 2, generator=torch.Generator().manual_seed(0)), torch.zeros(8, 3)
        >>> jmmd([x, logits], [x + 1, logits]) > jmmd([x, logits], [x, logits])
        tensor(True)
    """
    if not len(source) == len(target) == len(bandwidths) > 0:
        raise AdaptError(
            "jmmd expects as many layers of both domains as bandwidths, "
            f"found {len(source)}, {len(target)} and {len(bandwidths)}."
        )
    sizes = {(len(s), len(t)) for s, t in zip(source, target, strict=True)}
    if len(sizes) > 1:
        raise AdaptError(f"jmmd expects the same samples in every layer, found (N, M) = {sorted(sizes)}.")
    layers = []
    for s, t, bandwidth in zip(source, target, bandwidths, strict=True):
        pair = feature_pair("jmmd", s, t)
        layers.append((*pair, _widths(torch.cat(pair), bandwidth, scales)))
    return kernel_discrepancy(layers, estimator)


def _widths(x: Tensor, bandwidth: float | None, scales: Sequence[float] | None) -> Tensor:
    if bandwidth is None:
        return kernel_widths(x, kernel="mean", scales=scales)
    return kernel_widths(x, kernel="fixed", bandwidths=[bandwidth])
