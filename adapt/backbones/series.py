"""Networks for time series `(N, channels, length)`."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from adapt.backbones.base import Backbone
from adapt.errors import AdaptError


class CNN1D(Backbone):
    """Three blocks of convolution, batch norm, ReLU and max pooling, and the mean over time.

    The CNN of AdaTime (Ragab et al. 2023, https://arxiv.org/abs/2203.08321), with its values for activity recognition
    as defaults: 64, 128 and 128 channels, kernels of 5, 8 and 8, dropout of 0.5 after the first block.

    Args:
        input_shape: `(channels, length)`, of at least 8 steps.
        width: Channels of the first block; the second has twice as many.
        num_features: Channels of the third block, and width of the features.
        kernel: Length of the first block's kernel (AdaTime: 5 for activities, 25 for sleep, 32 for machine faults).
        stride: Stride of the first convolution (AdaTime: 1 for activities, 6 for the long recordings).
        dropout: Probability of dropping a value after the first block.

    Raises:
        AdaptError: The shape is no series', or it is too short.

    Examples:
        >>> import torch
        >>> from adapt.backbones import CNN1D
        >>> CNN1D((9, 128))(torch.zeros(4, 9, 128)).shape
        torch.Size([4, 128])
    """

    def __init__(
        self,
        input_shape: tuple[int, ...] = (3, 128),
        width: int = 64,
        num_features: int = 128,
        kernel: int = 5,
        stride: int = 1,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        channels, _ = series_shape("CNN1D", input_shape, max(8, stride))
        self.num_features = num_features
        self.layers = nn.Sequential(
            _pooled(channels, width, kernel, kernel // 2, stride, dropout),
            _pooled(width, 2 * width, 8, 4),
            _pooled(2 * width, num_features, 8, 4),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Features `(N, num_features)` of series `(N, channels, length)`."""
        features: Tensor = self.layers(x).mean(2)
        return features


class ResNet1D(Backbone):
    """Residual blocks of three convolutions (kernels 8, 5 and 3), and the mean over time.

    The ResNet baseline of Wang et al. 2017, https://arxiv.org/abs/1611.06455: blocks of 64, 128 and 128 channels,
    no pooling between them. AdaTime's "ResNet" has kernels of 1, which see one time step each; this one has not.

    Args:
        input_shape: `(channels, length)`, of at least 8 steps.
        widths: Channels of each block; the last is `num_features`.

    Raises:
        AdaptError: The shape is no series', it is too short, or there is no block.
    """

    def __init__(self, input_shape: tuple[int, ...] = (3, 128), widths: Sequence[int] = (64, 128, 128)) -> None:
        super().__init__()
        channels, _ = series_shape("ResNet1D", input_shape, 8)
        check_widths("ResNet1D", widths)
        self.num_features = widths[-1]
        self.layers = nn.Sequential()
        for width in widths:
            self.layers.append(_Residual(channels, width))
            channels = width

    def forward(self, x: Tensor) -> Tensor:
        """Features `(N, num_features)` of series `(N, channels, length)`."""
        features: Tensor = self.layers(x).mean(2)
        return features


class InceptionTime(Backbone):
    """Inception modules, with kernels of three lengths side by side, and the mean over time.

    Ismail Fawaz et al. 2020, https://arxiv.org/abs/1909.04939: each module narrows to 32 channels, convolves them with
    kernels of 39, 19 and 9 steps and max-pools its input, 128 channels in all; a shortcut over every three modules.
    The paper averages five such networks; this is one of them.

    Args:
        input_shape: `(channels, length)`, of at least 8 steps.
        width: Channels of each of a module's four parts; `num_features` is four times as many.
        depth: Number of modules.
        kernels: Lengths of the kernels, odd.

    Raises:
        AdaptError: The shape is no series', it is too short, or a kernel is even.
    """

    def __init__(
        self,
        input_shape: tuple[int, ...] = (3, 128),
        width: int = 32,
        depth: int = 6,
        kernels: Sequence[int] = (39, 19, 9),
    ) -> None:
        super().__init__()
        channels, _ = series_shape("InceptionTime", input_shape, 8)
        if depth < 1 or not kernels or any(kernel % 2 == 0 or kernel < 1 for kernel in kernels):
            raise AdaptError(
                f"InceptionTime expects a depth of at least 1 and odd kernels, found {depth} and {list(kernels)}."
            )
        self.num_features = width * (len(kernels) + 1)
        self.layers = nn.ModuleList()
        self.shortcuts = nn.ModuleList()
        entering = channels
        for at in range(depth):
            self.layers.append(_Inception(channels, width, kernels))
            channels = self.num_features
            if at % 3 == 2:
                self.shortcuts.append(_normalised(entering, channels, 1))
                entering = channels

    def forward(self, x: Tensor) -> Tensor:
        """Features `(N, num_features)` of series `(N, channels, length)`."""
        entered = x
        for at, module in enumerate(self.layers):
            x = module(x)
            if at % 3 == 2:
                x = entered = torch.relu(x + self.shortcuts[at // 3](entered))
        return x.mean(2)


class TCN(Backbone):
    """A temporal convolutional network: causal convolutions whose dilation doubles from block to block.

    Bai, Kolter and Koltun 2018, https://arxiv.org/abs/1803.01271, with batch norm in the place of weight normalisation
    (as AdaTime's has it, so that methods that adapt the statistics apply). The features are those of the last step,
    which has seen `1 + 2 (kernel − 1) (2^blocks − 1)` steps; `pooling: mean` averages over time.

    Args:
        input_shape: `(channels, length)`, of at least 8 steps.
        widths: Channels of each block; the last is `num_features`.
        kernel: Length of the kernels.
        dropout: Probability of dropping a value after each convolution.
        pooling: `last` for the last time step, `mean` for the mean.

    Raises:
        AdaptError: The shape is no series', it is too short, there is no block, or another pooling is asked for.
    """

    def __init__(
        self,
        input_shape: tuple[int, ...] = (3, 128),
        widths: Sequence[int] = (64, 64, 128),
        kernel: int = 7,
        dropout: float = 0.0,
        pooling: str = "last",
    ) -> None:
        super().__init__()
        channels, _ = series_shape("TCN", input_shape, 8)
        check_widths("TCN", widths)
        if kernel < 2 or pooling not in ("last", "mean"):
            raise AdaptError(f"TCN expects a kernel of at least 2 and pooling last or mean, found {kernel}, {pooling}.")
        self.num_features, self.pooling = widths[-1], pooling
        self.layers = nn.Sequential()
        for block, width in enumerate(widths):
            self.layers.append(_Causal(channels, width, kernel, 2**block, dropout))
            channels = width

    def forward(self, x: Tensor) -> Tensor:
        """Features `(N, num_features)` of series `(N, channels, length)`."""
        features: Tensor = self.layers(x)
        return features[:, :, -1] if self.pooling == "last" else features.mean(2)


def series_shape(backbone: str, input_shape: Sequence[int], shortest: int) -> tuple[int, int]:
    """Channels and length, once the series are long enough.

    Args:
        backbone: Name, for the message.
        input_shape: `(channels, length)`.
        shortest: Fewest time steps.

    Raises:
        AdaptError: The shape is no series' or too short.
    """
    if len(input_shape) != 2 or input_shape[0] < 1 or input_shape[1] < shortest:
        raise AdaptError(
            f"{backbone} expects series (channels, length) of at least {shortest} steps, found {tuple(input_shape)}: "
            "cut longer windows (--data.length), or take MLP for vectors and LeNet for images."
        )
    channels, length = input_shape
    return channels, length


def check_widths(backbone: str, widths: Sequence[int]) -> None:
    """Refuse a network without blocks.

    Raises:
        AdaptError: There is no width, or one below 1.
    """
    if not widths or min(widths) < 1:
        raise AdaptError(f"{backbone} expects positive widths, one a block, found {list(widths)}.")


def _normalised(channels: int, width: int, kernel: int) -> nn.Sequential:
    # An even kernel has no middle: the longer side lies before it.
    padding = nn.ConstantPad1d((kernel // 2, (kernel - 1) // 2), 0.0)
    return nn.Sequential(padding, nn.Conv1d(channels, width, kernel, bias=False), nn.BatchNorm1d(width))


def _pooled(
    channels: int, width: int, kernel: int, padding: int, stride: int = 1, dropout: float = 0.0
) -> nn.Sequential:
    convolution = nn.Conv1d(channels, width, kernel, stride, padding, bias=False)
    pool = nn.MaxPool1d(2, 2, padding=1)
    return nn.Sequential(convolution, nn.BatchNorm1d(width), nn.ReLU(), pool, nn.Dropout(dropout))


class _Residual(nn.Module):
    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            _normalised(channels, width, 8),
            nn.ReLU(),
            _normalised(width, width, 5),
            nn.ReLU(),
            _normalised(width, width, 3),
        )
        self.shortcut = nn.BatchNorm1d(width) if channels == width else _normalised(channels, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.main(x) + self.shortcut(x))


class _Inception(nn.Module):
    def __init__(self, channels: int, width: int, kernels: Sequence[int]) -> None:
        super().__init__()
        # One channel has nothing to be narrowed from.
        self.narrow = nn.Conv1d(channels, width, 1, bias=False) if channels > 1 else nn.Identity()
        entering = width if channels > 1 else 1
        self.convolutions = nn.ModuleList(
            nn.Conv1d(entering, width, kernel, padding=kernel // 2, bias=False) for kernel in kernels
        )
        self.pooled = nn.Sequential(nn.MaxPool1d(3, 1, padding=1), nn.Conv1d(channels, width, 1, bias=False))
        self.norm = nn.BatchNorm1d(width * (len(kernels) + 1))

    def forward(self, x: Tensor) -> Tensor:
        narrow = self.narrow(x)
        parts = [*(convolution(narrow) for convolution in self.convolutions), self.pooled(x)]
        return torch.relu(self.norm(torch.cat(parts, 1)))


class _Causal(nn.Module):
    def __init__(self, channels: int, width: int, kernel: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.past = (kernel - 1) * dilation
        self.first = nn.Conv1d(channels, width, kernel, dilation=dilation, bias=False)
        self.second = nn.Conv1d(width, width, kernel, dilation=dilation, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm1d(width) for _ in range(2))
        self.dropout = nn.Dropout(dropout)
        self.shortcut = nn.Identity() if channels == width else nn.Conv1d(channels, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        # Padded on the left alone, so that no step sees a later one.
        hidden = self.dropout(torch.relu(self.norms[0](self.first(pad(x, (self.past, 0))))))
        hidden = self.dropout(torch.relu(self.norms[1](self.second(pad(hidden, (self.past, 0))))))
        return torch.relu(hidden + self.shortcut(x))
