"""Read checkpoints, and refuse those that do not fit."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from adapt.errors import AdaptError
from adapt.problems import Classification, Regression

_NETWORK = ("backbone", "bottleneck", "classifier")
_SHOWN = 100
# Of layers with a row for each output, `Problem.output_layer` and `CosineHead`.
_ROWS = {f"classifier.{name}" for name in ("weight", "bias", "0.weight", "0.bias", "1.mean", "1.std")}


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
    if _other_names(own["problem"], found["problem"]):
        wanted, other = own["problem"], found["problem"]
        raise AdaptError(
            f"Expected a checkpoint with the {_outputs(wanted)} {_listed(wanted)} in this order, found one with "
            f"{_listed(other)}. Give the checkpoint of the same run, or start from its network with --model.init_from."
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

    Where that run had the same class names in another order, the classifier's rows are put into this one's.

    Args:
        own: Description of the method that takes them, `Method.describe()`.
        state_dict: Its parameters and buffers, whose names and shapes they must have.
        path: The checkpoint.

    Raises:
        AdaptError: There is no checkpoint, its network differs, or its classes have other names.
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
    return _in_order(own["problem"], found["problem"], state, path)


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
    return f"{len(described['names'])} {_outputs(described)}"


def _outputs(described: Mapping[str, Any]) -> str:
    outputs = {"classification": "classes", "multi-label": "labels", "regression": "quantities"}
    kind: str = described["kind"]
    return outputs.get(kind, kind)


def _other_names(own: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    """Whether outputs of the same place may mean something else."""
    mine, other = list(own["names"]), list(found["names"])
    if own["kind"] == Regression.kind and {*mine} != {*other}:
        return False  # a file may call the same quantities y0 and y1, or labels0 and labels1
    # A script with `problem=10` has no class names; a single output can be taken for no other one.
    numbers = [str(k) for k in range(len(mine))]
    return len(mine) > 1 and mine != other and numbers not in (mine, other)


def _listed(described: Mapping[str, Any]) -> str:
    text = ", ".join(described["names"])
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _in_order(
    own: Mapping[str, Any], found: Mapping[str, Any], state: dict[str, Tensor], path: Path
) -> dict[str, Tensor]:
    if not _other_names(own, found):
        return state
    mine, other = list(own["names"]), list(found["names"])
    rows = [k for k in state if k.split(".")[0] == "classifier"]
    # Of any other layer nobody knows which of its numbers belong to which class.
    one_layer = {*rows} <= _ROWS and all(len(state[k]) == len(mine) for k in rows)
    if sorted(mine) != sorted(other) or len({*mine}) < len(mine) or not one_layer:
        raise AdaptError(
            f"Expected init_from with the {_outputs(own)} {_listed(own)}{'' if one_layer else ' in this order'}, found "
            f"{_listed(found)} in {path}. Start from a run on the same {_outputs(own)}, or give them the same names."
        )
    at = [other.index(name) for name in mine]
    return state | {k: state[k][at] for k in rows}
