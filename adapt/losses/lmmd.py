"""Local maximum mean discrepancy: one MMD per class."""

from collections.abc import Sequence

import torch
from torch import Tensor

from adapt.errors import AdaptError
from adapt.losses.inputs import feature_pair, in_full_precision
from adapt.losses.kernels import Kernel, gaussian_kernel, kernel_widths, squared_distances
from adapt.losses.predictions import class_logits


@in_full_precision
def lmmd(
    source: Tensor,
    target: Tensor,
    y: Tensor,
    target_logits: Tensor,
    *,
    kernel: Kernel = "mean",
    scales: Sequence[float] | None = None,
    bandwidths: Sequence[float] | None = None,
    checked: bool = False,
) -> Tensor:
    """Squared MMD between the two domains' samples of each class, averaged over classes.

    DSAN, Zhu et al. 2020, https://arxiv.org/abs/2106.09388:
    (1/|C|) Σ_c [ Σ_ij u_ic u_jc k(s_i, s_j) + Σ_ij v_ic v_jc k(t_i, t_j) − 2 Σ_ij u_ic v_jc k(s_i, t_j) ]. A class's
    weights sum to 1 in each domain. On the source, u_ic is 1 / (the class's number of samples) where y_i = c, otherwise
    0. On the target, v_jc = p_jc / Σ_j' p_j'c with the predicted probabilities p. No gradient passes through the
    weights. This is the biased estimate.

    C holds the classes that occur both in the source labels and among the target's most probable classes, as in the
    authors' code. Without such a class the value is 0. The paper's formula sums over all classes.

    Args:
        source: Features `(N, d)`.
        target: Features `(M, d)`; N ≠ M is allowed.
        y: Class indices of the source `(N,)`.
        target_logits: Logits of the target `(M, K)`.
        kernel: How the bandwidths follow from the batch, see `adapt.losses.mmd`; `"mean"` is the authors' kernel.
        scales: Factors of the batch's bandwidth, see `adapt.losses.mmd`.
        bandwidths: The values b of exp(−d²/b), for `"fixed"` only.
        checked: True if the labels are known to be valid; checking them makes the CPU wait for the GPU.

    Returns:
        Scalar without unit, in [0, 2] times the number of kernels.

    Raises:
        AdaptError: Shapes, labels or options that do not fit.

    Examples:
        >>> import torch
        >>> from adapt.losses import lmmd
        >>> x, y = torch.tensor([[0.0], [0.0], [9.0], [9.0]]), torch.tensor([0, 0, 1, 1])
        >>> logits = 100 * torch.eye(2)[y]
        >>> lmmd(x, x.flip(0), y, logits) > lmmd(x, x, y, logits)  # the classes have changed places
        tensor(True)
    """
    source, target = feature_pair("lmmd", source, target)
    logits = class_logits("lmmd", target_logits).detach()
    n, classes = len(source), logits.shape[1]
    if y.shape != (n,) or len(logits) != len(target):
        raise AdaptError(
            f"lmmd expects y (N,) and target_logits (M, K) for N = {n} and M = {len(target)}, "
            f"found {tuple(y.shape)} and {tuple(target_logits.shape)}."
        )
    if not checked:
        low, high = int(y.min()), int(y.max())
        if low < 0 or high >= classes:
            raise AdaptError(
                f"lmmd expects class indices in 0..{classes - 1}, as many as logits, found {low} to {high}."
            )
    named = torch.arange(classes, device=y.device)
    of_source, of_target = y[:, None] == named, logits.argmax(1)[:, None] == named
    weights = torch.cat([_shares(of_source.to(source)), -_shares(logits.softmax(1).to(source))])
    shared = (of_source.any(0) & of_target.any(0)).to(weights)
    pooled = torch.cat([source, target])
    widths = kernel_widths(pooled, kernel=kernel, scales=scales, bandwidths=bandwidths)
    values = gaussian_kernel(squared_distances(pooled), widths)
    # The bracket of class c equals w_cᵀ K w_c, where the target's weights are negative.
    each = (weights * (values @ weights)).sum(0)
    return (each * shared).sum() / shared.sum().clamp_min(1)


def _shares(memberships: Tensor) -> Tensor:
    """Divide each class's column by its sum; a class without samples stays 0."""
    sums = memberships.sum(0)
    return memberships / torch.where(sums > 0, sums, torch.ones_like(sums))
