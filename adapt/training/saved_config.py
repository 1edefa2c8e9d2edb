"""A run's saved configuration: it works from any folder, and after the run was moved, renamed or copied."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from jsonargparse import Namespace

from adapt.paths import from_home
from adapt.training.run_folder import CONFIG_FILE, folder_of
from adapt.yaml_files import read_yaml

PATHS = ("root", "init_from", "checkpoint", "cache", "save_dir", "path", "tokenizer")
"""Names of arguments, of any class, that are a file or a folder."""
_CELL = "cell.yaml"
"""What a grid calls the configuration of a cell, in whose folder it then trains."""


def portable(config: dict[str, Any], run_dir: Path) -> dict[str, Any]:
    """The configuration to save: with absolute paths, and without the run's folder, because the file lies in it.

    Args:
        config: The configuration as plain values.
        run_dir: The run's folder; with it `read_where_it_lies` notices that the run was moved.
    """
    data = config["data"].get("init_args") or {}
    if "root" in data and data["root"] is None and "ADAPT_DATA" not in os.environ and Path("data").is_dir():
        data["root"] = "data"
    _each_path(config, lambda name, path: str(Path(path).resolve()) if name == "cache" or _lies_here(path) else path)
    return config | {"run_dir": None, "ckpt_path": None, "saved_in": str(run_dir.resolve())}


def read_where_it_lies(config: Any, command: str, args: Sequence[str]) -> None:
    """Make a run's configuration use the folder in which it lies now, even if that was moved or renamed.

    `validate`, `test` and `predict` read and write that folder. `fit` repeats the run in another folder, or continues
    in it if the checkpoint is from that run. Paths that were moved together with the run are searched near the file.

    Args:
        config: The parsed configuration, which is changed.
        command: `fit`, `validate`, `test` or `predict`.
        args: The typed arguments, which take precedence.
    """
    saved_in, config.saved_in = config.saved_in, None
    if cells := [Path(str(file)) for file in config.config or () if Path(str(file)).name == _CELL]:
        _read_where_it_ran(config, cells[-1], args)
    files = [Path(str(file)) for file in config.config or () if Path(str(file)).name == CONFIG_FILE]
    own = files[-1].parent if files else None
    if own is None or not (saved_in or (own / "checkpoints").is_dir()):
        return
    if saved_in:
        relocate(config, Path(saved_in), own, args)
    if not _typed("ckpt_path", args):
        config.ckpt_path = None
    if not _typed("run_dir", args):
        continued = config.ckpt_path is not None and folder_of(Path(config.ckpt_path)).resolve() == own.resolve()
        config.run_dir = str(own) if command != "fit" or continued else None


def _read_where_it_ran(config: Any, cell: Path, args: Sequence[str]) -> None:
    """Let the paths of a grid's cell be those that its run had, and not relative to wherever it is repeated."""
    beside = cell.with_name(CONFIG_FILE)
    if not beside.is_file():
        return
    said, ran = read_yaml(cell), read_yaml(beside) or {}
    relocate(ran, Path(str(ran.get("saved_in") or cell.parent)), cell.parent)
    for part in ("model", "data"):
        _take_paths(config[part], said.get(part), ran.get(part), args)


def _take_paths(node: Any, said: Any, ran: Any, args: Sequence[str]) -> None:
    for name, path in (ran or {}).items():
        here, own = node.get(name), said.get(name) if isinstance(said, dict) else None
        if isinstance(path, dict) and isinstance(here, dict | Namespace):
            _take_paths(here, own, path, args)
        elif name in PATHS and isinstance(path, str) and here == own:
            typed = own is not None and any(own in (word, word.partition("=")[2]) for word in args)
            node[name] = here if typed else path


def read_from_home(config: Any) -> None:
    """Let `~/` in the paths of a configuration be the home folder.

    Args:
        config: The parsed configuration, which is changed.
    """
    _each_path(config, lambda _, path: from_home(path))
    for name in ("run_dir", "ckpt_path"):
        if isinstance(config[name], str):
            config[name] = from_home(config[name])


def relocate(config: Any, saved_in: Path, own: Path, args: Sequence[str] = ()) -> None:
    """Find what was moved together with a run near its folder.

    Args:
        config: A configuration or a part of one, which is changed.
        saved_in: The folder in which it was saved.
        own: The folder in which it lies now.
        args: The typed arguments, which take precedence.
    """
    before, now = _moved(saved_in, own.resolve())

    def found(name: str, path: str) -> str:
        if any(path in typed for typed in args):
            return path
        if name == "save_dir" and Path(path).is_relative_to(saved_in):
            return str(Path.cwd())  # the logger of a repeated run, not one that writes into the old folder
        moved = now / Path(path).relative_to(before) if Path(path).is_relative_to(before) else Path(path)
        return str(moved) if moved.exists() else path

    _each_path(config, found)


def _lies_here(path: str) -> bool:
    # Other paths, such as weights below the data root, are resolved when they are read.
    return bool(path) and Path(path).exists()


def _each_path(node: Any, change: Callable[[str, str], str]) -> None:
    """Change the paths anywhere in a configuration of mappings (or jsonargparse's namespaces) and lists."""
    if isinstance(node, list):
        for part in node:
            _each_path(part, change)
        return
    # No other object: one that refers to itself would never end.
    entries = node if isinstance(node, dict) else vars(node) if isinstance(node, Namespace) else {}
    for name, value in list(entries.items()):
        if name in PATHS and isinstance(value, str):
            entries[name] = change(name, value)
        else:
            _each_path(value, change)


def _moved(before: Path, now: Path) -> tuple[Path, Path]:
    """Old and new folder of a move: both paths without their common ending."""
    while before.name and before.name == now.name and before != now:
        before, now = before.parent, now.parent
    return before, now


def _typed(option: str, args: Sequence[str]) -> bool:
    return any(word == f"--{option}" or word.startswith(f"--{option}=") for word in args)
