"""A small convolutional network for small images."""

import torch
from torch import Tensor, nn

from adapt.backbones.base import Backbone, image_shape
from adapt.errors import AdaptError


class SmallCNN(Backbone):
    """Three stages of 3×3 convolution, batch norm and ReLU, then an average pool. The first two halve the image.

    It trains in seconds on a CPU, on gray or colour images of 16×16 to 64×64 pixels.

    Args:
        input_shape: `(channels, height, width)`, at least 8×8.
        width: Channels of the first two stages; the third has twice as many.
        grid: Side of the average pool's output in pixels; `num_features` is 2 · width · grid².
        dropout: Probability of dropping a feature.

    Raises:
        AdaptError: The shape is not an image shape, or is below 8×8 or below 4 · grid.
    """

    def __init__(
        self, input_shape: tuple[int, int, int] = (3, 32, 32), width: int = 32, grid: int = 2, dropout: float = 0.0
    ) -> None:
        super().__init__()
        if grid < 1:
            raise AdaptError(f"SmallCNN expects a grid of at least 1, found {grid}.")
        channels, rows, columns = image_shape("SmallCNN", input_shape, max(8, 4 * grid))
        self.num_features, self.part_features = 2 * width * grid**2, 2 * width
        self.layers = nn.Sequential(
            _stage(channels, width, nn.MaxPool2d(2)),
            _stage(width, width, nn.MaxPool2d(2)),
            _stage(width, 2 * width, nn.Identity()),
            _pool(rows // 4, columns // 4, grid),
        ).to(memory_format=torch.channels_last)  # a third faster on a CPU
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Features `(N, num_features)` of images `(N, *input_shape)`."""
        features: Tensor = self.dropout(self.layers(x).flatten(1))
        return features

    def parts(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The vector of each cell of the grid `(N, grid², 2 · width)`, all of which count."""
        cells = self.dropout(self.layers(x)).flatten(2).transpose(1, 2)
        return cells, torch.ones(cells.shape[:2], dtype=torch.bool, device=cells.device)


def _stage(channels: int, width: int, pool: nn.Module) -> nn.Sequential:
    # Pooling first leaves a quarter of the work for the normalisation.
    convolution = nn.Conv2d(channels, width, kernel_size=3, padding=1, bias=False)
    return nn.Sequential(convolution, pool, nn.BatchNorm2d(width), nn.ReLU())


def _pool(rows: int, columns: int, grid: int) -> nn.AvgPool2d:
    # Not the adaptive pool: its gradient on a GPU is not deterministic.
    stride = (rows // grid, columns // grid)
    return nn.AvgPool2d((rows - (grid - 1) * stride[0], columns - (grid - 1) * stride[1]), stride)
