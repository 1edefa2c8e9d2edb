"""Random changes of a batch of time series `(N, C, L)` on its device, drawn anew for every sample."""

import math

import torch
from torch import Tensor, nn

from adapt.errors import AdaptError


class SeriesAugmentation(nn.Module):
    """A chain of the usual changes of sensor series: time warp, permutation, rotation, scaling and jitter.

    Um et al. 2017, https://arxiv.org/abs/1706.00527, for wearable sensors. Every sample has its own draws from torch's
    generator. Sizes are in standard deviations of each channel over its own series, so that the unit does not matter.
    Of `FixMatch` it is `weak` or `strong`, of `SelfEnsembling` the `augmentation`; without one, both take the settings
    of TS-TCC for series.

    Args:
        jitter: Standard deviation of the noise that is added to each value.
        scaling: Standard deviation of the factor, around 1, by which a channel is multiplied.
        rotation: Largest turn in degrees, about a random axis, of channels that come in threes: x, y, z of an
            accelerometer, then of a gyroscope. All triples of a sample turn alike, as a sensor that sits
            otherwise does.
        permutation: Most segments that a series is cut into, at random places, and put together in another order;
            0 and 1 leave it.
        time_warp: How far time runs faster or slower: standard deviation of the speed's logarithm at four places.

    Raises:
        AdaptError: A size is below 0; later, inputs that are no series, or channels that cannot be turned.

    Examples:
        >>> import torch
        >>> from adapt.layers import SeriesAugmentation
        >>> x = torch.sin(torch.linspace(0, 20, 128)).repeat(4, 3, 1)
        >>> SeriesAugmentation(jitter=0.1, rotation=30.0)(x).shape
        torch.Size([4, 3, 128])
    """

    def __init__(
        self,
        jitter: float = 0.0,
        scaling: float = 0.0,
        rotation: float = 0.0,
        permutation: int = 0,
        time_warp: float = 0.0,
    ) -> None:
        super().__init__()
        sizes = {"jitter": jitter, "scaling": scaling, "rotation": rotation}
        for name, size in (sizes | {"permutation": permutation, "time_warp": time_warp}).items():
            if size < 0:
                raise AdaptError(f"SeriesAugmentation expects {name} of at least 0, found {size}.")
        self.jitter, self.scaling, self.rotation = jitter, scaling, rotation
        self.permutation, self.time_warp = permutation, time_warp

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """Changed series of the same shape `(N, C, L)`, without gradient."""
        if x.ndim != 3 or not x.is_floating_point():
            raise AdaptError(
                f"SeriesAugmentation expects series (N, channels, length) of floats, found {x.dtype} of shape "
                f"{tuple(x.shape)}."
            )
        if self.time_warp:
            x = time_warp(x, self.time_warp)
        if self.permutation > 1:
            x = permute_segments(x, self.permutation)
        if self.rotation:
            x = rotate_sensor(x, self.rotation)
        if self.scaling:
            x = x * (1 + self.scaling * torch.randn(*x.shape[:2], 1, device=x.device, dtype=x.dtype))
        if self.jitter:
            x = x + self.jitter * x.std(2, correction=0, keepdim=True) * torch.randn_like(x)
        return x


def weak_series() -> SeriesAugmentation:
    """TS-TCC's weak view (Eldele et al. 2021, https://arxiv.org/abs/2106.14112): jitter and scaling."""
    return SeriesAugmentation(jitter=0.05, scaling=0.1)


def strong_series() -> SeriesAugmentation:
    """TS-TCC's strong view, permutation and jitter, with a little warping of time."""
    return SeriesAugmentation(jitter=0.2, scaling=0.1, permutation=5, time_warp=0.2)


def rotate_sensor(x: Tensor, degrees: float) -> Tensor:
    """Turn each sample's triples of channels about one random axis, by an angle uniform in ±`degrees`.

    Args:
        x: Series `(N, C, L)`, with C a multiple of 3.
        degrees: Largest angle.

    Raises:
        AdaptError: The channels do not come in threes.
    """
    n, channels, length = x.shape
    if channels % 3:
        raise AdaptError(
            f"A rotation turns x, y and z of a sensor, so expects 3, 6, 9, ... channels, found {channels}: leave it 0."
        )
    axis = torch.nn.functional.normalize(torch.randn(n, 3, device=x.device, dtype=x.dtype), dim=1)
    angle = math.radians(degrees) * (2 * torch.rand(n, 1, 1, device=x.device, dtype=x.dtype) - 1)
    zero = torch.zeros_like(axis[:, 0])
    a, b, c = axis.unbind(1)
    cross = torch.stack([zero, -c, b, c, zero, -a, -b, a, zero], 1).view(n, 3, 3)
    # Rodrigues' formula: 1 + sin φ K + (1 − cos φ) K².
    turn = torch.eye(3, device=x.device, dtype=x.dtype) + angle.sin() * cross + (1 - angle.cos()) * cross @ cross
    return torch.einsum("nij,ntjl->ntil", turn, x.view(n, channels // 3, 3, length)).reshape(x.shape)


def permute_segments(x: Tensor, segments: int) -> Tensor:
    """Cut each series at random places into 1 to `segments` pieces, and put them together in a random order.

    Args:
        x: Series `(N, C, L)`; all channels of a sample are cut alike.
        segments: Most pieces.
    """
    n, _, length = x.shape
    wanted = torch.randint(1, segments + 1, (n, 1), device=x.device)
    cuts = torch.rand(n, segments - 1, device=x.device) * length
    # A sample that wants k pieces has k − 1 cuts within the series, the others beyond its end.
    unused = torch.arange(segments - 1, device=x.device) >= wanted - 1
    cuts = torch.where(unused, torch.full_like(cuts, 2.0 * length), cuts)
    steps = torch.arange(length, device=x.device)
    piece = (steps[None, :, None] >= cuts[:, None, :]).sum(2)  # (N, L): the cuts before a step number its piece
    ranks = torch.rand(n, segments, device=x.device).argsort(1)
    # A piece's steps stay in their order: they are sorted by the piece's rank, then by time.
    order = (ranks.gather(1, piece) * length + steps).argsort(1)
    return x.gather(2, order[:, None, :].expand_as(x))


def time_warp(x: Tensor, strength: float, knots: int = 4) -> Tensor:
    """Let time run faster and slower: each series is read at increasing positions, from its first to its last step.

    Args:
        x: Series `(N, C, L)`.
        strength: Standard deviation of the logarithm of the speed at each of the knots.
        knots: Places between which the speed is interpolated.
    """
    n, _, length = x.shape
    speed = (strength * torch.randn(n, 1, knots, device=x.device)).exp()
    speed = torch.nn.functional.interpolate(speed, size=length - 1, mode="linear", align_corners=True)[:, 0]
    passed = torch.cat([torch.zeros(n, 1, device=x.device), speed.cumsum(1)], 1)
    position = passed / passed[:, -1:] * (length - 1)
    before = position.floor().long().clamp(max=length - 2)
    share = (position - before)[:, None].to(x.dtype)
    at = before[:, None].expand_as(x)
    return x.gather(2, at) * (1 - share) + x.gather(2, at + 1) * share
