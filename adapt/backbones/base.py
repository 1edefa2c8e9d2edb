"""What every feature extractor offers."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from adapt.errors import AdaptError

# The names under which torchvision, timm and this package keep a sequence of stages.
_SEQUENCES = {"model", "features", "encoder", "layers", "blocks", "stages", "trunk_output"}
_NORMALISATIONS = (_NormBase, nn.LayerNorm, nn.GroupNorm)


class Backbone(nn.Module, ABC):
    """A feature extractor. Image backbones take inputs that the datamodule has already normalised.

    A subclass sets `num_features` and writes `forward`. If its first parameter is named `input_shape`, the command
    line fills it with the datamodule's.

    Attributes:
        num_features: Width of the features.
    """

    num_features: int

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Features `(N, num_features)` of inputs `(N, ...)`."""

    @property
    def blocks(self) -> list[nn.Module]:
        """The parts with parameters, from input to output, for fine-tuning the last k and for gradual unfreezing.

        These are the children, with containers named `layers`, `blocks`, `features` and the like opened, and with
        each normalisation joined to the part before it. A parameter held by no part, such as a transformer's class
        token or position embedding, is in no block: freeze the whole backbone first, then free the blocks.
        """
        blocks: list[nn.Module] = []
        for part in _parts(self):
            if isinstance(part, _NORMALISATIONS) and blocks:
                blocks[-1] = nn.ModuleList([blocks[-1], part])
            else:
                blocks.append(part)
        return blocks

    def last_blocks(self, count: int) -> list[nn.Module]:
        """The last `count` of the blocks."""
        blocks = self.blocks
        return blocks[len(blocks) - count :]

    def layer_groups(self) -> list[tuple[float, list[nn.Parameter]]]:
        """Parameters with a factor on their learning rate, beside `backbone_lr_scale`: here all with 1."""
        return [(1.0, list(self.parameters()))]

    def train_last(self, count: int) -> None:
        """Let the last `count` blocks train; with fewer than all, the rest keeps its weights and its statistics.

        Args:
            count: From 0 to the number of blocks.
        """
        whole = count == len(self.blocks)
        # The whole backbone first: some parameters, such as a position embedding, belong to no block.
        self.requires_grad_(whole).train(whole)
        for block in self.last_blocks(count):
            block.requires_grad_().train()


def image_shape(backbone: str, input_shape: Sequence[int], smallest: int) -> tuple[int, int, int]:
    """Channels, height and width, once they are large enough.

    Args:
        backbone: Name, for the message.
        input_shape: `(channels, height, width)`.
        smallest: Fewest pixels of height and of width.

    Returns:
        `(channels, height, width)`.

    Raises:
        AdaptError: The shape is no image's or too small.
    """
    if len(input_shape) != 3 or input_shape[0] < 1 or min(input_shape[1:]) < smallest:
        raise AdaptError(
            f"{backbone} expects images (channels, height, width) of at least {smallest}×{smallest}, "
            f"found {tuple(input_shape)}: resize the images, or take MLP for vectors."
        )
    channels, height, width = input_shape
    return channels, height, width


def _parts(module: nn.Module) -> list[nn.Module]:
    parts: list[nn.Module] = []
    for name, child in module.named_children():
        if name in _SEQUENCES:
            parts.extend(_parts(child))
        elif next(child.parameters(), None) is not None:
            parts.append(child)
    return parts
