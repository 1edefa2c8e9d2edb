"""The base class of every feature extractor."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from adapt.errors import AdaptError
from adapt.recorded import Recorded

# The names under which torchvision, timm and this package keep a sequence of stages.
_SEQUENCES = {"model", "features", "encoder", "layers", "blocks", "stages", "trunk_output"}
_CHANNELS = (1, 3, 4)
_NORMALISATIONS = (_NormBase, nn.LayerNorm, nn.GroupNorm)


class Backbone(Recorded, nn.Module, ABC):
    """A feature extractor. The datamodule has already normalised the inputs of image backbones.

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

        These are the children. Containers with names such as `layers`, `blocks` or `features` are replaced by their own
        children, and each normalisation is joined to the part before it. Some parameters belong to no block, such as a
        transformer's class token or position embedding: freeze the whole backbone first, then unfreeze the blocks.
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
        """Train only the last `count` blocks; the others keep their weights and their batch-norm statistics.

        Args:
            count: From 0 to the number of blocks.
        """
        whole = count == len(self.blocks)
        # The whole backbone first: some parameters, such as a position embedding, belong to no block.
        self.requires_grad_(whole).train(whole)
        for block in self.last_blocks(count):
            block.requires_grad_().train()


def image_shape(backbone: str, input_shape: Sequence[int], smallest: int) -> tuple[int, int, int]:
    """Check that an image shape is large enough, and return it.

    Args:
        backbone: Name, for the message.
        input_shape: `(channels, height, width)`.
        smallest: Smallest height and width in pixels.

    Returns:
        `(channels, height, width)`.

    Raises:
        AdaptError: The shape is not an image shape or is too small.
    """
    if len(input_shape) != 3 or input_shape[0] < 1 or min(input_shape[1:]) < smallest:
        raise AdaptError(
            f"{backbone} expects images (channels, height, width) of at least {smallest}×{smallest}, "
            f"found {tuple(input_shape)}: {axes_hint(input_shape) or 'resize the images, or take MLP for vectors'}."
        )
    channels, height, width = input_shape
    return channels, height, width


def axes_hint(shape: Sequence[int]) -> str | None:
    """How images become `(channels, height, width)` whose channels stand last or are not there; None for others.

    Args:
        shape: Of one input.
    """
    if len(shape) == 3 and shape[-1] in _CHANNELS and min(shape[:2]) > max(_CHANNELS):
        return "the channels come first: x.transpose(0, 3, 1, 2) of an array, x.permute(0, 3, 1, 2) of a tensor"
    if len(shape) == 2 and min(shape) > max(_CHANNELS):
        return "give gray images their one channel, x[:, None], and take MLP or a network for series for anything else"
    return None


def _parts(module: nn.Module) -> list[nn.Module]:
    parts: list[nn.Module] = []
    for name, child in module.named_children():
        if name in _SEQUENCES:
            parts.extend(_parts(child))
        elif next(child.parameters(), None) is not None:
            parts.append(child)
    return parts
