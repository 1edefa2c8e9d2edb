"""What a checkpoint says of itself, and the refusals when it does not fit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from adapt.errors import AdaptError
from adapt.problems import Classification

if TYPE_CHECKING:
    from adapt.methods.base import Method

_NETWORK = ("backbone", "bottleneck", "classifier")


def describe(method: Method) -> dict[str, Any]:
    """Class, problem and backbone of a method, for its checkpoint."""
    return {
        "method": type(method).__name__,
        "problem": method.problem.describe(),
        "backbone": type(method.backbone).__name__,
    }


def check_checkpoint(method: Method, checkpoint: dict[str, Any]) -> None:
    """Refuse to continue or to evaluate a method from another one's checkpoint.

    Raises:
        AdaptError: The checkpoint is not one of ours, or of another method, problem or backbone.
    """
    own, found = describe(method), _description(checkpoint, "The checkpoint")
    for key in ("method", "problem", "backbone"):
        one, other = (_problem(part) if key == "problem" else part for part in (own[key], found[key]))
        if one != other:
            raise AdaptError(
                f"Expected a checkpoint with {key} {one!r}, found one with {other!r}. "
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
    own_problem, other = _problem(method.problem.describe()), _problem(found["problem"])
    if own_problem != other:
        raise AdaptError(
            f"Expected init_from with {own_problem}, found {other} in {path}. Start from a run on the same problem."
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
    if "num_classes" in found:
        # Before there were other problems, a checkpoint said only how many classes it has.
        names = [str(k) for k in range(found["num_classes"])]
        found = found | {"problem": {"kind": Classification.kind, "names": names}}
    return found


def _problem(described: Mapping[str, Any]) -> str:
    # Names may differ: a script that says `problem=10` knows none.
    return f"{described['kind']} with {len(described['names'])} outputs"
