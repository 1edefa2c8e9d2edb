"""The folder of a run: how it is chosen, and the files in it."""

import contextlib
import csv
import os
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor

from adapt.errors import AdaptError
from adapt.problems import Problem
from adapt.selection import checkpoint_path

CONFIG_FILE = "config.yaml"
PREDICTIONS_START = b"sample,index"
"""What each table of predictions begins with."""
_CHOSEN = "ADAPT_RUN_DIR"


def folder_of(checkpoint: Path) -> Path:
    """The folder of the run that a checkpoint belongs to."""
    folder = checkpoint.parent
    return folder.parent if folder.name == "checkpoints" else folder


def free_folder(base: Path) -> Path:
    """Make the first of `base`, `base-2`, `base-3`, ... that does not exist.

    It is made at once, so that of two trainings that start in the same instant each has its own.

    Raises:
        AdaptError: It cannot be made.
    """
    for path in _numbered(base):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.mkdir()
        except FileExistsError:
            if not path.parent.is_dir():  # a file has its name
                raise AdaptError(f"Expected a folder at {path.parent}, found a file.") from None
            continue
        except OSError as error:
            raise AdaptError(f"Expected a folder that can be written to, found {path}: {error.strerror}.") from error
        return path
    raise AssertionError("the numbers do not end")


def enter_folder(path: Path, checkpoint: str | None) -> Path:
    """Use a folder for a training. If it holds a run, this run must be continued; its metrics file is renamed.

    A run that ended before its first checkpoint has nothing to lose, so its folder may be used again.

    Args:
        path: The requested folder.
        checkpoint: The checkpoint to continue from; None for a new training.

    Raises:
        AdaptError: The folder holds a run, and the training is a new one; or another training runs in it.
    """
    if (path / CONFIG_FILE).exists():
        with contextlib.nullcontext() if process_rank() else held(path):
            pass  # before any of its files is touched
        last, kept = checkpoint_path(path, "last"), sorted(path.glob("checkpoints/*.ckpt"))
        if checkpoint is None and kept:
            found = last if last in kept else kept[0]
            raise AdaptError(
                f"{path} already holds a run. Give another --run_dir, or continue it with "
                f"--ckpt_path {shlex.quote(str(found))}."
            )
        # The CSV logger starts a new file: keep the old one.
        put_aside(path / "metrics.csv")
    return path


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold a run's folder while it is trained into: a second training would mix its files with those of the first.

    The lock is on the folder itself, so it leaves no file, and goes with the process, however that ends. Where the
    system has no such lock, nothing is held.

    Raises:
        AdaptError: Another training holds it.
    """
    if sys.platform == "win32":
        yield
        return
    import fcntl

    number = os.open(path, os.O_RDONLY)
    _holding.add(number)
    try:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AdaptError(
                f"Another training runs in {path}: wait until it ends, or give another --run_dir (run_dir)."
            ) from error
        except OSError:
            pass  # such as a network's file system
        yield
    finally:
        _holding.discard(number)
        os.close(number)


_holding: set[int] = set()


def _let_go() -> None:
    # Processes that load data are copies of this one. After a kill they live some seconds longer, and would hold the
    # folder against whoever continues the run.
    while _holding:
        os.close(_holding.pop())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)


def folder_of_process_zero(given: str | None) -> Path:
    """The folder that process zero chose, for another process of the same training.

    Args:
        given: `--run_dir`, for processes that were not started by process zero.

    Raises:
        AdaptError: Neither of them is known.
    """
    found = os.environ.get(_CHOSEN) or given
    if not found:
        raise AdaptError("Expected a folder that all processes know, found none. Give --run_dir.")
    return Path(found)


def process_rank() -> int:
    """This process's rank from the environment, before the processes are connected; process zero decides."""
    rank: int = rank_zero_only.rank  # type: ignore[attr-defined]  # Lightning sets it on the function
    return rank


def announce(folder: Path) -> Path:
    """Tell the run's folder to processes that this one starts."""
    os.environ[_CHOSEN] = str(folder)
    return folder


def make_directory(path: Path) -> None:
    """Create a folder and check that it is writable.

    Raises:
        AdaptError: It is not writable.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise AdaptError(f"Expected a folder that can be written to, found {path}: {error.strerror}.") from error


def write_predictions(
    path: Path, batches: Iterable[Mapping[str, Tensor]], problem: Problem, samples: Sequence[str]
) -> Path | None:
    """Write one line per sample: its name, its index and the problem's columns; for a class also the class name.

    Args:
        path: The CSV file; an existing one is renamed.
        batches: For each batch `index (N,)` and the problem's columns, each `(N,)`.
        problem: What is predicted.
        samples: Names of the samples, by index.

    Returns:
        The new path of an existing file; None if there was none.
    """
    draft = path.with_name(f".{path.name}.tmp")
    with draft.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        columns = list(problem.columns(torch.zeros(1, len(problem.answers))))
        headings = [name for column in columns for name in ([column, "class"] if column == "prediction" else [column])]
        rows.writerow(["sample", "index", *headings])
        for batch in batches:
            for index, *values in zip(*(batch[name].tolist() for name in ("index", *columns)), strict=True):
                cells: list[Any] = []
                for column, value in zip(columns, values, strict=True):
                    cells.append(f"{value:.6f}" if isinstance(value, float) else value)
                    cells += [problem.answers[value]] if column == "prediction" else []
                rows.writerow([samples[index], index, *cells])
    before = put_aside(path)
    draft.replace(path)
    return before


def put_aside(path: Path) -> Path | None:
    """Rename a file, if it exists, to the first free of `name-2`, `name-3`, ...; return its new path."""
    if not path.exists():
        return None
    names = (name.with_suffix(path.suffix) for name in _numbered(path.with_suffix("")))
    return path.rename(next(name for name in names if not name.exists()))


def _numbered(base: Path) -> Iterator[Path]:
    yield base
    number = 2
    while True:
        yield base.with_name(f"{base.name}-{number}")
        number += 1
