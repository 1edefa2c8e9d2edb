"""One JSON file per cell, and the table of all of them."""

import importlib.metadata
import json
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypedDict, get_args

import adapt
from adapt.benchmark.csv_files import csv_text
from adapt.errors import AdaptError
from adapt.files import write_atomically

Status = Literal["ok", "diverged", "failed"]

RESULT_FILE = "result.json"

# Of two parts at least, so that neither `and/or`, a URL nor a lone slash is one.
_PART = r"[^\s/\\'\"`():;,<>|]+"
_ABSOLUTE = re.compile(rf"(?<![\w./\\~:…-])(?:/{_PART}(?:/{_PART})+|[A-Za-z]:(?:[/\\]{_PART})+)")

CSV_COLUMNS = (
    "task",
    "method",
    "setting",
    "seed",
    "rule",
    "source_accuracy",
    "target_accuracy",
    "status",
    "wall_seconds",
    "config_hash",
    "commit",
)


class Row(TypedDict):
    """What one selection rule would have picked in one run; accuracies in [0, 1] on the test sets."""

    rule: str
    source_accuracy: float | None
    target_accuracy: float
    step: int


@dataclass(frozen=True)
class CellResult:
    """What became of one cell, as `result.json` holds it.

    Attributes:
        rows: One per selection rule; empty unless `status` is `ok`.
        error: Why the cell has no rows.
        wall_seconds: Duration of training and testing.
        commit: Git commit of the code, with `+dirty` when files differ from it; None outside a checkout.
        versions: Of Python and of the libraries that decide the numbers.
        threads: CPU threads that torch used.
        started: UTC time in ISO format.
        directory: The cell's folder; known from where the file lies, not stored in it.
    """

    task: str
    method: str
    setting: str
    seed: int
    status: Status
    error: str | None
    rows: tuple[Row, ...]
    wall_seconds: float
    config_hash: str
    commit: str | None
    versions: Mapping[str, str]
    device: str
    threads: int
    command: str
    started: str
    directory: Path = field(default=Path(), compare=False)

    @property
    def name(self) -> str:
        """The cell as a person reads it."""
        return f"{self.task} / {self.method} / seed {self.seed}"

    def accuracy(self, rule: str) -> float | None:
        """Target accuracy under a selection rule, if the run recorded one."""
        return next((row["target_accuracy"] for row in self.rows if row["rule"] == rule), None)


def write_result(result: CellResult) -> None:
    """Write `result.json` into the cell's folder, without the paths of this machine: results are passed on."""
    content = asdict(result)
    del content["directory"]
    content["command"] = portable(result.command, [Path()])
    if result.error is not None:
        content["error"] = portable(result.error, [result.directory.absolute().parents[2], Path()])
    write_atomically(result.directory / RESULT_FILE, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def portable(text: str, folders: Sequence[Path]) -> str:
    """A text with its absolute paths made relative to the first of some folders that holds them, or cut to the name."""

    def shorten(found: re.Match[str]) -> str:
        path = Path(found[0])
        for folder in folders:
            for base in (folder.absolute(), folder.resolve()):
                if path.is_relative_to(base):
                    return path.relative_to(base).as_posix()
        return "…/" + re.split(r"[/\\]", found[0])[-1]

    return _ABSOLUTE.sub(shorten, text)


def read_result(path: Path) -> CellResult:
    """Read one `result.json`.

    Raises:
        AdaptError: When the file is truncated or not a result.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        content["rows"] = tuple(check_rows(content["rows"])) if content["status"] == "ok" else ()
        if content["status"] not in get_args(Status):
            raise ValueError(f"unknown status {content['status']!r}")
        return CellResult(**content, directory=path.parent)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise AdaptError(
            f"{path} is truncated or not a result ({type(error).__name__}: {error}). "
            "Delete it: the grid will run this cell again."
        ) from error


def read_results(directory: Path) -> list[CellResult]:
    """Read the results of all cells below a benchmark's folder.

    Raises:
        AdaptError: When the folder is missing, holds no result, or holds one that cannot be read.
    """
    paths = sorted(directory.glob(f"*/*/*/{RESULT_FILE}"))
    if not paths:
        found = "no such file in it" if directory.is_dir() else "no such folder"
        raise AdaptError(f"Expected results at {directory}/<task>/<method>/<seed>/{RESULT_FILE}, found {found}.")
    results = [read_result(path) for path in paths]
    return sorted(results, key=lambda result: (result.task, result.method, result.seed))


def check_rows(rows: Any) -> list[Row]:
    """Rows as a run returned them, or were stored.

    Raises:
        AdaptError: When there is none, a rule comes twice, or an accuracy is not in [0, 1].
    """
    if not isinstance(rows, list | tuple) or not rows:
        raise AdaptError(f"Expected a run to return at least one result row, found {rows!r:.80}.")
    checked: list[Row] = []
    for row in rows:
        source, target = row["source_accuracy"], float(row["target_accuracy"])
        for value in (target, 0.0 if source is None else float(source)):
            if not 0.0 <= value <= 1.0:
                raise AdaptError(f"Expected accuracies in [0, 1] under rule {row['rule']!r}, found {value}.")
        checked.append(
            Row(
                rule=str(row["rule"]),
                source_accuracy=None if source is None else float(source),
                target_accuracy=target,
                step=int(row["step"]),
            )
        )
    if len({row["rule"] for row in checked}) < len(checked):
        raise AdaptError(f"Expected each selection rule once, found {[row['rule'] for row in checked]}.")
    return checked


def csv_rows(results: Sequence[CellResult]) -> list[list[Any]]:
    """One line of `CSV_COLUMNS` per cell and selection rule; a cell without rows has one without accuracies."""
    lines: list[list[Any]] = []
    for result in results:
        found: list[tuple[str, float | None, float | None]] = [
            (row["rule"], row["source_accuracy"], row["target_accuracy"]) for row in result.rows
        ]
        for rule, source, target in found or [("last", None, None)]:
            left = [result.task, result.method, result.setting, result.seed, rule, source, target]
            lines.append([*left, result.status, round(result.wall_seconds, 2), result.config_hash, result.commit])
    return lines


def write_csv(results: Sequence[CellResult], path: Path) -> None:
    """Write the lines of `csv_rows`, with nothing between the commas where there is no value."""
    write_atomically(path, csv_text(CSV_COLUMNS, csv_rows(results)))


@cache
def git_commit() -> str | None:
    """Commit of the checkout that this code runs from, with `+dirty` when tracked files differ; None without one."""
    folder = Path(adapt.__file__).parent

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.strip()

    try:
        # An installed copy may lie inside somebody else's repository, whose commit says nothing about it.
        git("ls-files", "--error-unmatch", "__init__.py")
        return git("rev-parse", "HEAD") + ("+dirty" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None


@cache
def versions() -> dict[str, str]:
    """Versions of Python, of this package and of the libraries that decide the numbers."""
    found = {"python": platform.python_version(), "adapt": adapt.__version__}
    for name in ("torch", "lightning", "torchvision", "numpy"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def device_name(config: Mapping[str, Any]) -> str:
    """What a run with this configuration trains on: the GPU's name, another accelerator's, or `cpu`."""
    import torch

    trainer = config.get("trainer")
    accelerator = str(trainer.get("accelerator", "auto")) if isinstance(trainer, Mapping) else "auto"
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        return torch.cuda.get_device_name(0)
    if accelerator in ("auto", "gpu", "mps") and torch.backends.mps.is_available():
        return "mps"
    return "cpu" if accelerator in ("auto", "gpu") else accelerator
