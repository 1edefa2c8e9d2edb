"""Read checkpoints, and refuse those that do not fit."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from adapt.errors import AdaptError
from adapt.problems import Classification

_NETWORK = ("backbone", "bottleneck", "classifier")


def check_checkpoint(own: Mapping[str, Any], checkpoint: Mapping[str, Any]) -> None:
    """Refuse to continue or evaluate a method from another method's checkpoint.

    Args:
        own: The method's description, `Method.describe()`.
        checkpoint: The file's content.

    Raises:
        AdaptError: The checkpoint was not written by adapt, or is of another method, problem or backbone.
    """
    found = _description(checkpoint, "The checkpoint")
    for key in ("method", "problem", "backbone"):
        one, other = (_problem(part) if key == "problem" else part for part in (own[key], found[key]))
        if one != other:
            raise AdaptError(
                f"Expected a checkpoint with {key} {one!r}, found one with {other!r}. "
                "Give the checkpoint of the same run, or start from its network with --model.init_from."
            )


def read_own(method: str, path: Path) -> dict[str, Any]:
    """Read a checkpoint file of one method.

    Args:
        method: The name of its class.
        path: The file.

    Raises:
        AdaptError: It is of another method, or cannot be read.
    """
    checkpoint = read_checkpoint(path)
    found = _description(checkpoint, str(path))["method"]
    if found != method:
        raise AdaptError(
            f"Expected a checkpoint of {method}, found one of {found} at {path}. "
            f"Give --model {found}, or start from its network with --model.init_from."
        )
    return checkpoint


def network_state(own: Mapping[str, Any], state_dict: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Backbone, bottleneck and classifier from another run's checkpoint, of any method.

    Args:
        own: Description of the method that takes them, `Method.describe()`.
        state_dict: Its parameters and buffers, whose names and shapes they must have.
        path: The checkpoint.

    Raises:
        AdaptError: There is no checkpoint, or its network differs.
    """
    checkpoint = read_checkpoint(path)
    found = _description(checkpoint, str(path))
    wanted, other = _problem(own["problem"]), _problem(found["problem"])
    if wanted != other:
        raise AdaptError(
            f"Expected init_from with {wanted}, found {other} in {path}. Start from a run on the same problem."
        )
    state = {k: v for k, v in checkpoint["state_dict"].items() if k.split(".")[0] in _NETWORK}
    mine = {k: v for k, v in state_dict.items() if k.split(".")[0] in _NETWORK}
    odd = sorted(
        k for k in state.keys() | mine.keys() if k not in state or k not in mine or state[k].shape != mine[k].shape
    )
    if odd:
        named = ", ".join(odd[:3]) + (", ..." if len(odd) > 3 else "")
        raise AdaptError(
            f"Expected init_from with this run's network ({own['backbone']}), found other parameters in "
            f"{path}: {named}. Use the backbone and bottleneck of that run."
        )
    return state


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


def _description(checkpoint: Mapping[str, Any], name: str) -> dict[str, Any]:
    if "adapt" not in checkpoint:
        raise AdaptError(f"{name} was not written by adapt: it does not name its method.")
    found: dict[str, Any] = checkpoint["adapt"]
    if "num_classes" in found:
        # Old checkpoints, from before there were other problems, only hold the number of classes.
        names = [str(k) for k in range(found["num_classes"])]
        found = found | {"problem": {"kind": Classification.kind, "names": names}}
    return found


def _problem(described: Mapping[str, Any]) -> str:
    # Names may differ: a script with `problem=10` has no class names.
    outputs = {"classification": "classes", "multi-label": "labels", "regression": "quantities"}
    return f"{len(described['names'])} {outputs.get(described['kind'], described['kind'])}"
