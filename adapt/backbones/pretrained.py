"""Backbones from torchvision and timm, with weights downloaded by those libraries or read from a local file."""

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from difflib import get_close_matches
from typing import Any, Self, cast

import torch
import torchvision
from torch import Tensor, nn
from torchvision.models.vision_transformer import VisionTransformer, interpolate_embeddings

from adapt.backbones.base import Backbone, axes_hint
from adapt.backbones.speed import keep_less
from adapt.backbones.weights import load_checkpoint
from adapt.errors import AdaptError
from adapt.extras import optional


class PretrainedBackbone(Backbone):
    """A pretrained backbone whose first blocks can stay frozen.

    Frozen weights get no gradient and frozen batch norms keep their statistics. Use this to train the last blocks of a
    large network on little data or on a laptop. `FineTuning` has its own argument `tune`, which overrides this.

    Args:
        trainable: How many of the last blocks train; None for the whole backbone.
    """

    def __init__(self, trainable: int | None = None) -> None:
        super().__init__()
        self.trainable = trainable

    def train(self, mode: bool = True) -> Self:
        """Set the mode of all but the frozen blocks."""
        if self.trainable is None:
            return super().train(mode)
        super().train(False)
        for block in self.last_blocks(self.trainable):
            block.train(mode)
        return self

    def resize(self, height: int, width: int) -> None:
        """Adapt a network to another image size, if it was built for one; most networks need nothing."""

    def _take(self, input_shape: Sequence[int] | None) -> None:
        """Adapt the network to the data's image size; refuse sizes that it cannot process."""
        if input_shape is None:
            return
        shape = tuple(input_shape)
        name, reason = getattr(self, "name", type(self).__name__), self._problem(shape)
        if reason is not None and len(shape) == 3:
            self.resize(*shape[1:])
            reason = self._problem(shape)
        if reason is None:
            return
        if axes := axes_hint(shape):
            hint = axes
        elif len(shape) != 3:
            hint = "take MLP for vectors"
        elif shape[0] != 3 and self._problem((3, *shape[1:])) is None:
            hint = "it has 3 channels; LeNet and SmallCNN take any number"
        else:
            sides = range(1, 257)
            fits = bisect_left(sides, True, key=lambda side: self._problem((shape[0], side, side)) is None)
            hint = f"the smallest is {sides[fits]}×{sides[fits]}" if fits < len(sides) else reason
        raise AdaptError(f"{name} expects images (channels, height, width), and cannot take {shape}: {hint}.")

    def _problem(self, shape: Sequence[int]) -> str | None:
        nn.Module.train(self, False)
        try:
            with torch.no_grad():
                self(torch.zeros(1, *shape))
        # Networks raise different errors on inputs that they cannot process.
        except Exception as error:
            return " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
        finally:
            nn.Module.train(self)  # nothing is frozen yet, so set every mode
        return None

    def _freeze(self) -> None:
        if self.trainable is None:
            return
        blocks = len(self.blocks)
        if not 0 <= self.trainable <= blocks:
            raise AdaptError(f"Expected trainable between 0 and the {blocks} blocks, found {self.trainable}.")
        self.train_last(self.trainable)


class TorchvisionBackbone(PretrainedBackbone):
    """A torchvision classification network without its classifier.

    It removes the last linear layer and the dropout before it (so VGG keeps its two layers of 4096, as in DAN).
    SqueezeNet's classifier is a convolution: a global average pool takes its place.

    Args:
        name: Model name of `torchvision.models`, e.g. `resnet50`.
        weights: Name of torchvision weights, e.g. `IMAGENET1K_V2` or `DEFAULT`; torchvision downloads and caches them.
        checkpoint: Local file with weights in torchvision's keys, instead of `weights`; `load_checkpoint` lists the
            accepted forms. Half-precision values become float32. The classifier's keys may be missing or have other
            shapes. A relative path is also searched in `$ADAPT_DATA`.
        trainable: How many of the last blocks train; the others stay frozen. None trains all.
        input_shape: `(channels, height, width)` of the data, which the command line fills in. The position embedding
            of a vision transformer is interpolated to it.
        gradient_checkpointing: Keep less for the backward pass and compute it again: less memory, a third slower.

    Raises:
        AdaptError: Unknown name or weights, too many blocks, both sources of weights, a file that is missing or does
            not fit, or images that the network does not take.
    """

    def __init__(
        self,
        name: str = "resnet50",
        weights: str | None = None,
        checkpoint: str | None = None,
        trainable: int | None = None,
        input_shape: tuple[int, ...] | None = None,
        gradient_checkpointing: bool = False,
    ) -> None:
        super().__init__(trainable)
        self.name = name
        _one_source("weights", weights is not None, checkpoint)
        _known(name, torchvision.models.list_models(module=torchvision.models), "torchvision")
        if weights is not None:
            names = torchvision.models.get_model_weights(name).__members__
            if weights not in names:
                raise AdaptError(f"{name} expects weights out of {', '.join(names)}, found {weights!r}.")
        self.model: nn.Module = torchvision.models.get_model(name, weights=weights)
        removed = _drop_auxiliary_heads(self.model)
        if name.startswith("squeezenet"):
            self.num_features = 512
            self.model.classifier = nn.AdaptiveAvgPool2d(1)
            removed.append("classifier.")
        else:
            path, self.num_features = _drop_last_linear(self.model)
            removed.append(f"{path}.")
        if checkpoint is not None:
            load_checkpoint(self.model, checkpoint, removed)
        self._take(input_shape)
        if gradient_checkpointing:
            keep_less(self.blocks)
        self._freeze()

    def resize(self, height: int, width: int) -> None:
        """Interpolate the position embedding of a vision transformer to another image size."""
        model = self.model
        if not isinstance(model, VisionTransformer) or height != width or height % model.patch_size:
            return
        state = interpolate_embeddings(height, model.patch_size, OrderedDict(model.state_dict()))
        model.encoder.pos_embedding = nn.Parameter(state["encoder.pos_embedding"])
        model.image_size, model.seq_length = height, (height // model.patch_size) ** 2 + 1

    def forward(self, x: Tensor) -> Tensor:
        """Features `(N, num_features)` of images `(N, 3, H, W)`."""
        features: Tensor = self.model(x)
        return features


class TimmBackbone(PretrainedBackbone):
    """A timm network without its classifier (`num_classes=0`). Needs the extra `timm`.

    Args:
        name: timm's model name, e.g. `tf_efficientnet_lite0`.
        pretrained: Let timm download its weights.
        checkpoint: Local file with weights in timm's keys, instead of `pretrained`; `load_checkpoint` lists the
            accepted forms. Half-precision values become float32. The classifier's keys may be missing or have other
            shapes. A relative path is also searched in `$ADAPT_DATA`.
        trainable: How many of the last blocks train; the others stay frozen. None trains all.
        input_shape: `(channels, height, width)` of the data, which the command line fills in. If timm supports it, a
            transformer is built for this size and its position embedding is interpolated.
        gradient_checkpointing: Keep less for the backward pass and compute it again: less memory, a third slower.

    Raises:
        AdaptError: timm is not installed, unknown name, too many blocks, both sources of weights, a file that is
            missing or does not fit, or images that the network does not take.
    """

    def __init__(
        self,
        name: str,
        pretrained: bool = False,
        checkpoint: str | None = None,
        trainable: int | None = None,
        input_shape: tuple[int, ...] | None = None,
        gradient_checkpointing: bool = False,
    ) -> None:
        super().__init__(trainable)
        timm = optional("timm", "timm", "timm", "TimmBackbone")
        self.name = name
        _one_source("pretrained", pretrained, checkpoint)
        if not timm.is_model(name):
            _known(name, timm.list_models(), "timm")
        model: Any = timm.create_model(name, pretrained=pretrained, num_classes=0)
        self.model: nn.Module = model
        # Some networks widen the features in the rest of the head; num_features is the width before it.
        self.num_features = int(getattr(model, "head_hidden_size", None) or model.num_features)
        if checkpoint is not None:
            classifier = model.pretrained_cfg.get("classifier") or ()
            removed = [classifier] if isinstance(classifier, str) else list(classifier)
            load_checkpoint(self.model, checkpoint, [f"{path}." for path in removed])
        self._take(input_shape)
        if gradient_checkpointing:
            keep_less(self.blocks)
        self._freeze()

    def resize(self, height: int, width: int) -> None:
        """Let timm build the network for another image size, if timm supports it."""
        model: Any = self.model
        # timm refuses a size with an assertion. The check of the network that follows gives a clearer error.
        if hasattr(model, "set_input_size"):
            with suppress(AssertionError, RuntimeError, ValueError):
                model.set_input_size(img_size=(height, width))

    def forward(self, x: Tensor) -> Tensor:
        """Features `(N, num_features)` of images `(N, channels, H, W)`."""
        features: Tensor = self.model(x)
        return features


def _one_source(option: str, given: bool, checkpoint: str | None) -> None:
    if given and checkpoint is not None:
        raise AdaptError(f"expected {option} or checkpoint, found both: keep one of them.")


def _known(name: str, names: Sequence[str], library: str) -> None:
    if name not in names:
        close = get_close_matches(name, names)
        hint = f"did you mean {', '.join(close)}?" if close else f"see {library}'s list_models()."
        raise AdaptError(f"{library} has no model {name!r}: {hint}")


def _drop_auxiliary_heads(model: nn.Module) -> list[str]:
    """Remove Inception's and GoogLeNet's extra classifiers: with them the output in training mode is a tuple."""
    if not hasattr(model, "aux_logits"):
        return []
    setattr(model, "aux_logits", False)  # noqa: B010 - nn.Module types plain attributes as tensors
    heads = [name for name in ("AuxLogits", "aux1", "aux2") if hasattr(model, name)]
    for name in heads:
        setattr(model, name, None)
    return [f"{name}." for name in heads]


def _drop_last_linear(model: nn.Module) -> tuple[str, int]:
    """Replace the last linear layer and the dropout before it by identities; return its path and input width."""
    modules = list(model.named_modules())
    position = max(index for index, (_, module) in enumerate(modules) if isinstance(module, nn.Linear))
    path, linear = modules[position]
    model.set_submodule(path, nn.Identity())
    before, module = modules[position - 1]
    if isinstance(module, nn.Dropout):
        model.set_submodule(before, nn.Identity())
    return path, cast(nn.Linear, linear).in_features
