"""The folder of a run: which one it is, and what is written into it."""

import csv
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor

from adapt.errors import AdaptError
from adapt.selection import checkpoint_path

_CHOSEN = "ADAPT_RUN_DIR"


def folder_of(checkpoint: Path) -> Path:
    """The folder of the run that a checkpoint belongs to."""
    folder = checkpoint.parent
    return folder.parent if folder.name == "checkpoints" else folder


def free_folder(base: Path) -> Path:
    """The first of `base`, `base-2`, `base-3`, ... that does not exist."""
    return next(path for path in _numbered(base) if not path.exists())


def enter_folder(path: Path, checkpoint: str | None) -> Path:
    """Take a folder for a training; one that holds a run only to continue it, with what it wrote put aside.

    Args:
        path: The folder that was asked for.
        checkpoint: Where the training continues from; None for a new one.

    Raises:
        AdaptError: The folder holds a run, and the training is a new one.
    """
    if (path / "config.yaml").exists():
        if checkpoint is None:
            raise AdaptError(
                f"{path} already holds a run. Give another --run_dir, or continue it with "
                f"--ckpt_path {checkpoint_path(path, 'last')}."
            )
        # The CSV logger starts its file anew: keep what the run wrote before.
        metrics = path / "metrics.csv"
        if metrics.exists():
            names = (name.with_suffix(".csv") for name in _numbered(path / "metrics"))
            metrics.rename(next(name for name in names if not name.exists()))
    return path


def folder_of_process_zero(given: str | None) -> Path:
    """The folder that process zero chose, for another process of the same training.

    Args:
        given: `--run_dir`, for processes that something else than process zero has started.

    Raises:
        AdaptError: Neither of them is known.
    """
    found = os.environ.get(_CHOSEN) or given
    if not found:
        raise AdaptError("Expected a folder that all processes know, found none. Give --run_dir.")
    return Path(found)


def process_rank() -> int:
    """Which of a training's processes this is, as the environment tells it before they have met; zero decides."""
    rank: int = rank_zero_only.rank  # type: ignore[attr-defined]  # Lightning sets it on the function
    return rank


def announce(folder: Path) -> Path:
    """Let the processes that this one starts know the run's folder."""
    os.environ[_CHOSEN] = str(folder)
    return folder


def make_directory(path: Path) -> None:
    """Create a folder and make sure that it can be written to.

    Raises:
        AdaptError: It cannot.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise AdaptError(f"Expected a folder that can be written to, found {path}: {error.strerror}.") from error


def write_predictions(path: Path, batches: Iterable[Mapping[str, Tensor]], class_names: Sequence[str]) -> None:
    """Write one line per sample: its index, the predicted class by number and name, and that class's probability.

    Args:
        path: The CSV file.
        batches: `index (N,)`, `prediction (N,)` and `probability (N,)` of each batch, in this order.
        class_names: Names of the classes.
    """
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["index", "prediction", "class", "probability"])
        for batch in batches:
            for index, label, probability in zip(*(column.tolist() for column in batch.values()), strict=True):
                rows.writerow([index, label, class_names[label], f"{probability:.6f}"])


def _numbered(base: Path) -> Iterator[Path]:
    yield base
    number = 2
    while True:
        yield base.with_name(f"{base.name}-{number}")
        number += 1
