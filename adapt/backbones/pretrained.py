"""Backbones from torchvision and timm, with weights downloaded by those libraries or read from a local file."""

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Self, cast

import torch
import torchvision
from torch import Tensor, nn

from adapt.backbones.base import Backbone
from adapt.errors import AdaptError
from adapt.extras import optional
from adapt.paths import data_root


class PretrainedBackbone(Backbone):
    """A backbone of which the first blocks can be kept as they came.

    Their weights get no gradient and their batch norms keep their statistics, which is what training the last blocks
    of a large network on little data, or on a laptop, wants. `FineTuning` has `tune`, which overrules this.

    Args:
        trainable: How many of the last blocks train; None for the whole backbone.
    """

    def __init__(self, trainable: int | None = None) -> None:
        super().__init__()
        self.trainable = trainable

    def train(self, mode: bool = True) -> Self:
        """Set the mode, but of frozen blocks."""
        if self.trainable is None:
            return super().train(mode)
        super().train(False)
        for block in self.last_blocks(self.trainable):
            block.train(mode)
        return self

    def _freeze(self) -> None:
        if self.trainable is None:
            return
        blocks = len(self.blocks)
        if not 0 <= self.trainable <= blocks:
            raise AdaptError(f"Expected trainable between 0 and the {blocks} blocks, found {self.trainable}.")
        self.train_last(self.trainable)


class TorchvisionBackbone(PretrainedBackbone):
    """A torchvision classification network without its classifier.

    What is removed is the last linear layer with the dropout before it (so VGG keeps its two 4096 layers, as DAN
    uses them). SqueezeNet's classifier is a convolution: a global average pool takes its place.

    Args:
        name: Model name of `torchvision.models`, e.g. `resnet50`.
        weights: Name of torchvision weights, e.g. `IMAGENET1K_V2` or `DEFAULT`; torchvision downloads and caches them.
        checkpoint: Local file with a state dict in torchvision's keys, instead of `weights`. Half-precision values
            become float32. The classifier's keys may be there, may be missing, and may have other shapes. A relative
            path is also looked for in `$ADAPT_DATA`.
        trainable: How many of the last blocks train, the others staying as they came; None for all.

    Raises:
        AdaptError: Unknown name or weights, too many blocks, both sources of weights, or a file that is missing or
            does not fit.
    """

    def __init__(
        self,
        name: str = "resnet50",
        weights: str | None = None,
        checkpoint: str | None = None,
        trainable: int | None = None,
    ) -> None:
        super().__init__(trainable)
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
        self._freeze()

    def forward(self, x: Tensor) -> Tensor:
        """Features `(N, num_features)` of images `(N, 3, H, W)`."""
        features: Tensor = self.model(x)
        return features


class TimmBackbone(PretrainedBackbone):
    """A timm network without its classifier (`num_classes=0`). Needs the extra `timm`.

    Args:
        name: timm's model name, e.g. `tf_efficientnet_lite0`.
        pretrained: Let timm download its weights.
        checkpoint: Local file with a state dict in timm's keys, instead of `pretrained`. Half-precision values
            become float32. The classifier's keys may be there, may be missing, and may have other shapes. A relative
            path is also looked for in `$ADAPT_DATA`.
        trainable: How many of the last blocks train, the others staying as they came; None for all.

    Raises:
        AdaptError: timm is not installed, unknown name, too many blocks, both sources of weights, or a file that is
            missing or does not fit.
    """

    def __init__(
        self, name: str, pretrained: bool = False, checkpoint: str | None = None, trainable: int | None = None
    ) -> None:
        super().__init__(trainable)
        timm = optional("timm", "timm", "timm", "TimmBackbone")
        _one_source("pretrained", pretrained, checkpoint)
        if not timm.is_model(name):
            _known(name, timm.list_models(), "timm")
        model: Any = timm.create_model(name, pretrained=pretrained, num_classes=0)
        self.model: nn.Module = model
        # Some networks widen the features in the head that is left; num_features is the width before it.
        self.num_features = int(getattr(model, "head_hidden_size", None) or model.num_features)
        if checkpoint is not None:
            classifier = model.pretrained_cfg.get("classifier") or ()
            removed = [classifier] if isinstance(classifier, str) else list(classifier)
            load_checkpoint(self.model, checkpoint, [f"{path}." for path in removed])
        self._freeze()

    def forward(self, x: Tensor) -> Tensor:
        """Features `(N, num_features)` of images `(N, channels, H, W)`."""
        features: Tensor = self.model(x)
        return features


def load_checkpoint(model: nn.Module, path: str, ignored: Sequence[str] = ()) -> None:
    """Load a local state dict into `model`: every key and shape must fit.

    Args:
        model: The network, already without its classifier.
        path: File written by `torch.save(model.state_dict(), path)`; read with `weights_only=True`. A relative path is
            also looked for in `$ADAPT_DATA`.
        ignored: Key prefixes of the file to pass over.

    Raises:
        AdaptError: The file is missing, is no state dict, or does not fit.
    """
    places = [Path(path), data_root() / path]
    file = next((place for place in places if place.is_file()), None)
    if file is None:
        looked = " nor ".join(map(str, dict.fromkeys(places)))
        raise AdaptError(f"checkpoint expects a state dict file, found nothing at {looked}.")
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    # What the unpickler raises at bytes that are no checkpoint depends on the first of them.
    except (UnpicklingError, RuntimeError, EOFError, IndexError, KeyError, ValueError) as error:
        raise AdaptError(f"checkpoint {path} is no state dict that torch.load reads with weights_only=True.") from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise AdaptError(f"checkpoint {path} expects a state dict of tensors: save `model.state_dict()` alone.")
    state = {key: value for key, value in state.items() if not key.startswith(tuple(ignored))}
    own = model.state_dict()
    reshaped = [key for key, value in state.items() if key in own and own[key].shape != value.shape]
    fitting = {key: value for key, value in state.items() if key not in reshaped}
    result = model.load_state_dict(fitting, strict=False)
    missing = [key for key in result.missing_keys if key not in reshaped]
    problems = {"missing": missing, "unexpected": result.unexpected_keys, "of another shape": reshaped}
    found = "; ".join(f"{len(keys)} {what} ({_some(keys)})" for what, keys in problems.items() if keys)
    if found:
        raise AdaptError(f"checkpoint {path} does not fit {type(model).__name__}: {found}. Is it this architecture's?")


def _some(keys: Sequence[str]) -> str:
    return ", ".join(keys[:3]) + (", ..." if len(keys) > 3 else "")


def _one_source(option: str, given: bool, checkpoint: str | None) -> None:
    if given and checkpoint is not None:
        raise AdaptError(f"expected {option} or checkpoint, found both: keep one of them.")


def _known(name: str, names: Sequence[str], library: str) -> None:
    if name not in names:
        close = get_close_matches(name, names)
        hint = f"did you mean {', '.join(close)}?" if close else f"see {library}'s list_models()."
        raise AdaptError(f"{library} has no model {name!r}: {hint}")


def _drop_auxiliary_heads(model: nn.Module) -> list[str]:
    """Remove Inception's and GoogLeNet's extra classifiers, which make the output in training mode a tuple."""
    if not hasattr(model, "aux_logits"):
        return []
    setattr(model, "aux_logits", False)  # noqa: B010 - nn.Module types plain attributes as tensors
    heads = [name for name in ("AuxLogits", "aux1", "aux2") if hasattr(model, name)]
    for name in heads:
        setattr(model, name, None)
    return [f"{name}." for name in heads]


def _drop_last_linear(model: nn.Module) -> tuple[str, int]:
    """Put identities in the place of the last linear layer and the dropout before it; its path and input width."""
    modules = list(model.named_modules())
    position = max(index for index, (_, module) in enumerate(modules) if isinstance(module, nn.Linear))
    path, linear = modules[position]
    model.set_submodule(path, nn.Identity())
    before, module = modules[position - 1]
    if isinstance(module, nn.Dropout):
        model.set_submodule(before, nn.Identity())
    return path, cast(nn.Linear, linear).in_features
