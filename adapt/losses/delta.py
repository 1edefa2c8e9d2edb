"""Distance between the feature maps of one layer in two networks."""

import torch
from torch import Tensor

from adapt.errors import AdaptError
from adapt.losses.inputs import in_full_precision


@in_full_precision
def delta(maps: Tensor, start: Tensor, attention: Tensor | None = None) -> Tensor:
    """Squared differences of feature maps, weighted by channel, Σ_c a_c · mean_{n,q} (F_ncq − F⁰_ncq)².

    DELTA, Li et al. 2019, https://arxiv.org/abs/1901.09229. The paper sums over the positions q. The mean here gives
    layers with large and small maps the same weight.

    Args:
        maps: Feature maps of the trained network `(N, C)`, `(N, C, H, W)`, or tokens `(N, T, C)`.
        start: Feature maps of the initial network for the same inputs; they get no gradient.
        attention: Weights a of the channels `(C,)`, which sum to 1; None for 1/C each.

    Returns:
        Scalar, nonnegative, in squared feature units.

    Raises:
        AdaptError: The shapes differ, there is no channel, or there is not one weight per channel.

    Examples:
        >>> import torch
        >>> from adapt.losses import delta
        >>> delta(torch.ones(1, 2, 3, 3), torch.zeros(1, 2, 3, 3)).item()
        1.0
    """
    if maps.shape != start.shape or maps.ndim < 2 or maps.numel() == 0:
        raise AdaptError(
            f"delta expects feature maps (N, C, ...) of one layer and the same inputs, found {tuple(maps.shape)} and "
            f"{tuple(start.shape)}."
        )
    gaps = (maps - start.detach()).square()
    gaps = gaps.transpose(0, channel_dimension(maps)).flatten(1).mean(1)
    if attention is None:
        return gaps.mean()
    if attention.shape != gaps.shape:
        raise AdaptError(f"delta expects {len(gaps)} weights of channels, found {tuple(attention.shape)}.")
    return torch.dot(attention.to(gaps.dtype), gaps)


def channel_dimension(maps: Tensor) -> int:
    """The channel dimension of a layer's output: the last for tokens `(N, T, C)`, otherwise the second."""
    return 2 if maps.ndim == 3 else 1
