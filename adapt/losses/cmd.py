"""Central moment discrepancy."""

import torch
from torch import Tensor

from adapt.errors import AdaptError
from adapt.losses.inputs import feature_pair, in_full_precision
from adapt.losses.squash import Squash, bounded


@in_full_precision
def cmd(
    source: Tensor,
    target: Tensor,
    *,
    moments: int = 5,
    squash: Squash = "sigmoid",
    interval: tuple[float, float] | None = None,
) -> Tensor:
    """Central moment discrepancy, ‖E X − E Y‖ / |b−a| + Σ_{k=2..K} ‖c_k(X) − c_k(Y)‖ / |b−a|^k.

    Zellinger et al. 2017, https://arxiv.org/abs/1702.08811. c_k(X) = E (X − E X)^k, coordinate by coordinate, with
    sample means (1/N) for the expectations, and the norms are Euclidean. Every coordinate must lie in [a, b].

    Args:
        source: Features `(N, d)`.
        target: Features `(M, d)`; N ≠ M is allowed.
        moments: Number K of moments; 1 matches the means only.
        squash: Function that bounds the features first: `"sigmoid"` with [a, b] = [0, 1], as the paper's hidden
            layer, `"tanh"` with [−1, 1], or `"none"` for features that are bounded already.
        interval: The bounds a and b of the features, for `"none"` only.

    Returns:
        Scalar without unit, nonnegative; its gradient is 0 where the moments agree.

    Raises:
        AdaptError: No sample, different widths, a tensor that is not a matrix, options that do not fit, or features
            outside the interval.

    Examples:
        >>> import torch
        >>> from adapt.losses import cmd
        >>> x = torch.tensor([[0.0], [1.0]])
        >>> cmd(x, x / 2, moments=2, squash="none", interval=(0.0, 1.0)).item()  # means ¼ apart, variances 3/16
        0.4375
    """
    source, target = feature_pair("cmd", source, target, minimum=1)
    if moments < 1:
        raise AdaptError(f"moments expects a number of at least 1, found {moments}.")
    source, target = bounded(source, squash), bounded(target, squash)
    width = _width(source, target, squash, interval)
    source_mean, target_mean = source.mean(0), target.mean(0)
    gaps = [source_mean - target_mean]
    centred = ((source - source_mean) / width, (target - target_mean) / width)
    powers = centred
    for _ in range(moments - 1):
        powers = (powers[0] * centred[0], powers[1] * centred[1])
        gaps.append(powers[0].mean(0) - powers[1].mean(0))
    gaps[0] = gaps[0] / width
    # Unlike the root of a sum of squares, the gradient of this norm is 0 at 0 and not infinite.
    norms: Tensor = torch.linalg.vector_norm(torch.stack(gaps), dim=1)
    return norms.sum()


def _width(source: Tensor, target: Tensor, squash: Squash, interval: tuple[float, float] | None) -> float:
    if squash != "none":
        if interval is not None:
            raise AdaptError(f"squash={squash!r} has its own interval: leave out `interval`, or take 'none'.")
        return 1.0 if squash == "sigmoid" else 2.0
    if interval is None or not interval[0] < interval[1]:
        raise AdaptError(f"squash='none' expects the features' interval (a, b) with a < b, found {interval}.")
    low = min(source.detach().min().item(), target.detach().min().item())
    high = max(source.detach().max().item(), target.detach().max().item())
    if low < interval[0] or high > interval[1]:
        raise AdaptError(
            f"cmd expects features in {list(interval)}, found {low:.4g} to {high:.4g}: "
            "take squash='sigmoid' or 'tanh', or give the true interval."
        )
    return interval[1] - interval[0]
