"""A convolutional network for volumes `(N, channels, depth, height, width)`."""

from torch import Tensor, nn

from adapt.backbones.base import Backbone
from adapt.errors import AdaptError


class CNN3D(Backbone):
    """Stages of 3×3×3 convolution, batch norm, ReLU and max pooling, and the mean over the volume.

    Each stage halves every side that is above 1 and doubles the channels.

    Args:
        input_shape: `(channels, depth, height, width)`, each side at least 4.
        width: Channels of the first stage.
        stages: Number of stages; `num_features` is width · 2^(stages − 1).
        dropout: Probability of dropping a feature.

    Raises:
        AdaptError: The shape is no volume's or too small, or there is no stage.

    Examples:
        >>> import torch
        >>> from adapt.backbones import CNN3D
        >>> CNN3D((1, 16, 16, 16))(torch.zeros(2, 1, 16, 16, 16)).shape
        torch.Size([2, 64])
    """

    def __init__(
        self,
        input_shape: tuple[int, ...] = (1, 32, 32, 32),
        width: int = 16,
        stages: int = 3,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if len(input_shape) != 4 or min(input_shape) < 1 or min(input_shape[1:]) < 4:
            raise AdaptError(
                f"CNN3D expects volumes (channels, depth, height, width) of at least 4 a side, found "
                f"{tuple(input_shape)}: resample to more (--data.shape), or take SmallCNN for images."
            )
        if width < 1 or stages < 1:
            raise AdaptError(f"CNN3D expects a positive width and at least one stage, found {width} and {stages}.")
        channels, *sides = input_shape
        self.layers = nn.Sequential()
        for stage in range(stages):
            out = width * 2**stage
            strides = tuple(2 if side > 1 else 1 for side in sides)
            self.layers.append(
                nn.Sequential(
                    nn.Conv3d(channels, out, 3, padding=1, bias=False),
                    nn.MaxPool3d(strides),
                    nn.BatchNorm3d(out),
                    nn.ReLU(),
                )
            )
            sides = [side // stride for side, stride in zip(sides, strides, strict=True)]
            channels = out
        self.num_features = channels
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Features `(N, num_features)` of volumes `(N, *input_shape)`."""
        features: Tensor = self.dropout(self.layers(x).flatten(2).mean(2))
        return features
