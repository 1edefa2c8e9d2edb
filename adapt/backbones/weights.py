"""Load weights from the usual kinds of files: wrapped, with a prefix, or with another head."""

import re
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor, nn

from adapt.errors import AdaptError
from adapt.paths import data_root

# Names that training scripts give the weights in a checkpoint; averaged weights come first, as in timm.
_WRAPPERS = ("state_dict_ema", "model_ema", "ema_state_dict", "ema", "state_dict", "model_state_dict", "model", "net")
# Name parts that torch adds when it wraps a module.
_TORCH = {"module", "_orig_mod"}


def load_checkpoint(model: nn.Module, path: str, ignored: Sequence[str] = ()) -> None:
    """Load a network's weights from a local file. It must hold every weight of the network, in the same shape.

    The file is a state dict, or a dict that holds one (`state_dict`, `model`, an average such as `state_dict_ema`),
    written by `torch.save` or as safetensors. Names may have a prefix (`module.`, `backbone.`, ...), and modules that
    the network lacks, such as a head, are left out. A warning names what was removed or left out.

    Args:
        model: The network, already without its classifier.
        path: The file; read with `weights_only=True`. A relative path is also searched in `$ADAPT_DATA`.
        ignored: Prefixes of the classifier's names, which are left out without a warning.

    Raises:
        AdaptError: The file is missing, holds no weights, or does not fit.
    """
    own = model.state_dict()
    state, notes = _weights(_read(_find(path), path), path, own)
    prefix = _prefix(state, own)
    named = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
    elsewhere = [key for key in state if not key.startswith(prefix)]
    named = {key: value for key, value in named.items() if not key.startswith(tuple(ignored))}
    extra = [key for key in named if key not in own]
    reshaped = [key for key, value in named.items() if key in own and own[key].shape != value.shape]
    fitting = {key: value for key, value in named.items() if key in own and key not in reshaped}
    missing = [key for key in model.load_state_dict(fitting, strict=False).missing_keys if key not in reshaped]
    # More layers in a module of the network mean another architecture; an unknown module is a head.
    parts = {key.split(".")[0] for key in own}
    if missing or reshaped or any(key.split(".")[0] in parts for key in extra):
        problems = {"missing": missing, "unexpected": extra, "of another shape": reshaped}
        found = "; ".join(f"{len(keys)} {what} ({_some(keys)})" for what, keys in problems.items() if keys)
        raise AdaptError(f"checkpoint {path} does not fit {type(model).__name__}: {found}. Is it of this architecture?")
    if prefix:
        notes.append(f"the prefix {prefix!r} stripped")
    if extra or elsewhere:
        notes.append(f"left out {len(extra + elsewhere)} weights ({_some(extra + elsewhere)})")
    if notes:
        warnings.warn(f"checkpoint {path}: {', '.join(notes)}.", stacklevel=2)


def _find(path: str) -> Path:
    places = [Path(path), data_root() / path]
    for place in places:
        if place.is_dir():
            raise AdaptError(f"checkpoint expects a file of weights, found the folder {place}: name the file in it.")
        if place.is_file():
            return place
    looked = " nor ".join(map(str, dict.fromkeys(places)))
    raise AdaptError(f"checkpoint expects a state dict file, found nothing at {looked}.")


def _read(file: Path, path: str) -> Any:
    try:
        with file.open("rb") as stream:
            start = stream.read(64)
        if start.lstrip()[:1] == b"<":
            raise AdaptError(f"checkpoint {path} is a web page, not a state dict: download the file itself.")
        if start.startswith(b"version https://git-lfs"):
            raise AdaptError(f"checkpoint {path} is a Git LFS pointer, not a state dict: run `git lfs pull`.")
        if file.suffix == ".safetensors" or start[8:9] == b"{":
            return _read_safetensors(file)
        return torch.load(file, map_location="cpu", weights_only=True)
    except AdaptError:
        raise
    # If the file is not a checkpoint, the unpickler's error depends on its first bytes.
    except (UnpicklingError, RuntimeError, EOFError, LookupError, ValueError, TypeError, AttributeError, OSError) as e:
        kind = "safetensors" if file.suffix == ".safetensors" else "torch.load with weights_only=True"
        object_found = re.search(r"GLOBAL (\S+)", str(e))
        hint = f": it holds a {object_found[1]}. Save `model.state_dict()` alone" if object_found else ""
        raise AdaptError(f"checkpoint {path} is not a state dict that {kind} can read{hint}.") from e


def _read_safetensors(file: Path) -> dict[str, Tensor]:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError as error:
        raise AdaptError(f"checkpoint {file.name} needs safetensors: pip install safetensors.") from error
    try:
        return dict(load_file(file))
    except SafetensorError as error:
        raise ValueError(str(error)) from error


def _weights(content: Any, path: str, own: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """The dict of tensors in a file's content, and notes on where it was found."""
    notes = []
    while isinstance(content, Mapping) and not any(isinstance(value, Tensor) for value in content.values()):
        wrapped = [key for key in _WRAPPERS if isinstance(content.get(key), Mapping)]
        if not wrapped:
            break
        notes.append(f"read {wrapped[0]!r} of it")
        content = content[wrapped[0]]
    if not isinstance(content, Mapping) or ((content or notes) and not any(map(torch.is_tensor, content.values()))):
        raise AdaptError(
            f"checkpoint {path} expects a state dict of tensors, alone or as {', '.join(map(repr, _WRAPPERS))}: "
            "save `model.state_dict()`."
        )
    if any(part in _TORCH for key in own for part in key.split(".")):
        return {str(key): value for key, value in content.items() if isinstance(value, Tensor)}, notes
    state: dict[str, Tensor] = {}
    for key, value in content.items():
        if isinstance(value, Tensor):
            state[".".join(part for part in str(key).split(".") if part not in _TORCH)] = value
    stripped = {part for key in content for part in str(key).split(".") if part in _TORCH}
    notes += [f"{part + '.'!r} stripped" for part in sorted(stripped)]
    return state, notes


def _prefix(state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> str:
    """The prefix of most of the network's names in a file; the first if there are several."""
    counted: Counter[str] = Counter({"": 0})
    by_end: dict[str, list[str]] = {}
    for key in own:
        by_end.setdefault(key.rpartition(".")[2], []).append(key)
    for key in state:
        for name in by_end.get(key.rpartition(".")[2], ()):
            if key == name or key.endswith("." + name):
                counted[key[: len(key) - len(name)]] += 1
    most = max(counted.values())
    return next(prefix for prefix, count in counted.items() if count == most)


def _some(keys: Sequence[str]) -> str:
    return ", ".join(keys[:3]) + (", ..." if len(keys) > 3 else "")
