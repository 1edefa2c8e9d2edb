"""A small convolutional network for small images."""

import torch
from torch import Tensor, nn

from adapt.backbones.base import Backbone, image_shape


class SmallCNN(Backbone):
    """Three stages of 3×3 convolution, batch norm and ReLU, the first two halving the image; an average pool to 2×2.

    Made to train in seconds on a CPU: images of 16×16 to 64×64, gray or colour.

    Args:
        input_shape: `(channels, height, width)`, at least 8×8.
        width: Channels of the first two stages; the third has twice as many. `num_features` is 8 · width.
        dropout: Probability of dropping a feature.

    Raises:
        AdaptError: The shape is no image's or is below 8×8.
    """

    def __init__(self, input_shape: tuple[int, int, int] = (3, 32, 32), width: int = 32, dropout: float = 0.0) -> None:
        super().__init__()
        channels, rows, columns = image_shape("SmallCNN", input_shape, 8)
        self.num_features = 8 * width
        self.layers = nn.Sequential(
            _stage(channels, width, nn.MaxPool2d(2)),
            _stage(width, width, nn.MaxPool2d(2)),
            _stage(width, 2 * width, nn.Identity()),
            _two_by_two(rows // 4, columns // 4),
        ).to(memory_format=torch.channels_last)  # a third faster on a CPU
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Features `(N, 8 · width)` of images `(N, *input_shape)`."""
        features: Tensor = self.dropout(self.layers(x).flatten(1))
        return features


def _stage(channels: int, width: int, pool: nn.Module) -> nn.Sequential:
    # Pooling before the normalisation leaves it a quarter of the work.
    convolution = nn.Conv2d(channels, width, kernel_size=3, padding=1, bias=False)
    return nn.Sequential(convolution, pool, nn.BatchNorm2d(width), nn.ReLU())


def _two_by_two(rows: int, columns: int) -> nn.AvgPool2d:
    # Not the adaptive pool: its gradient on a GPU is not deterministic.
    stride = (rows // 2, columns // 2)
    return nn.AvgPool2d((rows - stride[0], columns - stride[1]), stride)
