"""What a checkpoint says of itself, and the refusals when it does not fit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from adapt.errors import AdaptError

if TYPE_CHECKING:
    from adapt.methods.base import Method

_NETWORK = ("backbone", "bottleneck", "classifier")


def describe(method: Method) -> dict[str, Any]:
    """Class, class count and backbone of a method, for its checkpoint."""
    return {
        "method": type(method).__name__,
        "num_classes": method.num_classes,
        "backbone": type(method.backbone).__name__,
    }


def check_checkpoint(method: Method, checkpoint: dict[str, Any]) -> None:
    """Refuse to continue or to evaluate a method from another one's checkpoint.

    Raises:
        AdaptError: The checkpoint is not one of ours, or of another method, class count or backbone.
    """
    found = _description(checkpoint, "The checkpoint")
    for key, expected in describe(method).items():
        if found[key] != expected:
            raise AdaptError(
                f"Expected a checkpoint with {key} {expected!r}, found one with {found[key]!r}. "
                "Give the checkpoint of the same run, or start from its network with --model.init_from."
            )


def read_own(method: type[Method], path: Path) -> dict[str, Any]:
    """A checkpoint file of this method.

    Raises:
        AdaptError: It is of another one, or cannot be read.
    """
    checkpoint = read_checkpoint(path)
    found = _description(checkpoint, str(path))["method"]
    if found != method.__name__:
        raise AdaptError(
            f"Expected a checkpoint of {method.__name__}, found one of {found} at {path}. "
            f"Give --model {found}, or start from its network with --model.init_from."
        )
    return checkpoint


def load_network(method: Method, path: Path) -> None:
    """Load backbone, bottleneck and classifier of another run's checkpoint, whatever its method.

    Raises:
        AdaptError: No checkpoint lies there, or its network differs.
    """
    checkpoint = read_checkpoint(path)
    found = _description(checkpoint, str(path))
    if found["num_classes"] != method.num_classes:
        raise AdaptError(
            f"Expected init_from with {method.num_classes} classes, found {found['num_classes']} in {path}. "
            "Start from a run on the same classes."
        )
    state = {k: v for k, v in checkpoint["state_dict"].items() if k.split(".")[0] in _NETWORK}
    own = {k: v for k, v in method.state_dict().items() if k.split(".")[0] in _NETWORK}
    odd = sorted(
        k for k in state.keys() | own.keys() if k not in state or k not in own or state[k].shape != own[k].shape
    )
    if odd:
        named = ", ".join(odd[:3]) + (", ..." if len(odd) > 3 else "")
        raise AdaptError(
            f"Expected init_from with this run's network ({type(method.backbone).__name__}), found other parameters in "
            f"{path}: {named}. Use the backbone and bottleneck of that run."
        )
    method.load_state_dict(state, strict=False)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint from disk, tensors and plain values only.

    Raises:
        AdaptError: The file is missing or broken.
    """
    if not path.is_file():
        raise AdaptError(f"Expected a checkpoint at {path}, found no file. Runs keep theirs in <run>/checkpoints.")
    try:
        checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise AdaptError(f"Expected a checkpoint at {path}, found a file that cannot be read: {error}") from error
    return checkpoint


def _description(checkpoint: dict[str, Any], name: str) -> dict[str, Any]:
    if "adapt" not in checkpoint:
        raise AdaptError(f"{name} was not written by adapt: it does not say which method it is of.")
    found: dict[str, Any] = checkpoint["adapt"]
    return found
