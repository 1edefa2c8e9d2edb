"""One JSON file per cell, and the table of all of them."""

import csv
import importlib.metadata
import json
import math
import platform
import re
import subprocess
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, cast, get_args

import adapt
from adapt.benchmark.results.metrics import csv_text
from adapt.errors import AdaptError
from adapt.files import write_atomically
from adapt.measures import ACCURACY, Measure
from adapt.names import slug

Status = Literal["ok", "diverged", "failed"]

RESULT_FILE = "result.json"

# Of two parts at least, so that neither `and/or`, a URL nor a lone slash is one.
_PART = r"[^\s/\\'\"`():;,<>|]+"
_ABSOLUTE = re.compile(rf"(?<![\w./\\~:…-])(?:/{_PART}(?:/{_PART})+|[A-Za-z]:(?:[/\\]{_PART})+)")

_FIRST, _LAST = ("task", "method", "setting", "seed", "rule"), ("status", "wall_seconds", "config_hash", "commit")
_DOMAINS = ("source", "target")
_ESTIMATE = "estimate_"

CSV_COLUMNS = (*_FIRST, *(f"{domain}_accuracy" for domain in _DOMAINS), *_LAST)
"""Of `results.csv`, where there is no metric but accuracy."""

Row = dict[str, Any]
"""What one selection rule would have picked in one run: `rule`, `step`, and every metric on both test sets.

Metrics are named `source_<metric>`, None of a run without a source, and `target_<metric>`; `CellResult.value` reads
them. `estimates`, where there are any, holds what the target's accuracy is estimated at without its labels.
"""

# Metrics are computed in single precision.
_ROUNDING = 1e-5


@dataclass(frozen=True)
class Tested:
    """What a run hands back.

    Attributes:
        rows: One per selection rule.
        measures: The metrics in them, the headline first.
        target_labelled: How many of the target's test samples have a label; None where all have.
        target_samples: How many there are; None likewise.
    """

    rows: Sequence[Row]
    measures: tuple[Measure, ...] = (ACCURACY,)
    target_labelled: int | None = None
    target_samples: int | None = None


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
        measures: The metrics in its rows, the headline of its problem first.
        target_labelled: How many of the target's test samples have a label, of which its metrics are; None where all
            have.
        target_samples: How many there are; None likewise.
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
    measures: tuple[Measure, ...] = (ACCURACY,)
    target_labelled: int | None = None
    target_samples: int | None = None
    directory: Path = field(default=Path(), compare=False)

    @property
    def name(self) -> str:
        """The cell as a person reads it."""
        return f"{self.task} / {self.method} / seed {self.seed}"

    def value(
        self, rule: str, metric: str | None = None, domain: Literal["source", "target"] = "target"
    ) -> float | None:
        """A metric under a selection rule, if the run recorded it.

        Args:
            rule: The selection rule.
            metric: Name of the metric; the headline by default.
            domain: On whose test set.
        """
        name = f"{domain}_{metric or self.measures[0].name}"
        return next((row.get(name) for row in self.rows if row["rule"] == rule), None)


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
        # Older ones hold accuracy alone, and do not say so.
        measures = tuple(Measure(**entry) for entry in content.pop("measures", [asdict(ACCURACY)]))
        labelled = content.get("target_labelled") != 0
        content["rows"] = tuple(check_rows(content["rows"], measures, labelled)) if content["status"] == "ok" else ()
        if content["status"] not in get_args(Status):
            raise ValueError(f"unknown status {content['status']!r}")
        return CellResult(**content, measures=measures, directory=path.parent)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise AdaptError(
            f"{path} is truncated or not a result ({type(error).__name__}: {error}). "
            "Delete it: the grid will run this cell again."
        ) from error


def read_results(directory: Path) -> list[CellResult]:
    """Read the results of all cells below a benchmark's folder.

    A copy of a cell that somebody left in the folder, such as `DANN_old`, is left out with a warning.

    Raises:
        AdaptError: When the folder is missing, holds no result, one that cannot be read, or two of one cell of which
            neither lies where the cell belongs.
    """
    paths = sorted(directory.glob(f"*/*/*/{RESULT_FILE}"))
    if not paths:
        found = "no such file in it" if directory.is_dir() else "no such folder"
        raise AdaptError(f"Expected results at {directory}/<task>/<method>/<seed>/{RESULT_FILE}, found {found}.")
    results: dict[tuple[str, str, int], CellResult] = {}
    for result in map(read_result, paths):
        key = result.task, result.method, result.seed
        results[key] = _of_two(results[key], result) if key in results else result
    return [results[key] for key in sorted(results)]


def _of_two(first: CellResult, second: CellResult) -> CellResult:
    """The one of two results of a cell that lies where it belongs: a later one would hide it without a word."""
    own = slug(first.task), slug(first.method), str(first.seed)
    placed = [result for result in (first, second) if result.directory.parts[-3:] == own]
    if len(placed) != 1:
        raise AdaptError(
            f"Expected one result of {first.name}, found two: {first.directory} and {second.directory}. Move one of "
            "them out of the benchmark's folder."
        )
    other = first if placed[0] is second else second
    warnings.warn(
        f"{other.directory} holds a second result of {first.name} and is left out; move it elsewhere.", stacklevel=2
    )
    return placed[0]


def measures_of(results: Iterable[CellResult]) -> dict[str, Measure]:
    """By name the metrics that finished runs recorded, the first one's headline first."""
    found: dict[str, Measure] = {}
    for measure in (measure for result in results if result.rows for measure in result.measures):
        known = found.setdefault(measure.name, measure)
        if measure.unit not in known.unit.split(", "):
            found[measure.name] = replace(known, unit=f"{known.unit}, {measure.unit}")
    return found or {ACCURACY.name: ACCURACY}


def check_rows(rows: Any, measures: Sequence[Measure] = (ACCURACY,), labelled: bool = True) -> list[Row]:
    """Rows as a run returned them, or were stored.

    Args:
        rows: The rows.
        measures: The metrics that they should hold, the headline first; any other one may be undefined.
        labelled: Whether the target has labels, without which its metrics are None.

    Raises:
        AdaptError: When there is none, a rule comes twice, or a value is beyond its metric's ends.
    """
    if not isinstance(rows, list | tuple) or not rows:
        raise AdaptError(f"Expected a run to return at least one result row, found {rows!r:.80}.")
    checked: list[Row] = []
    for row in rows:
        kept = Row(rule=str(row["rule"]), step=int(row["step"]))
        for number, measure in enumerate(measures):
            for domain in _DOMAINS:
                name = f"{domain}_{measure.name}"
                needed = labelled and number == 0 and domain == "target"
                kept[name] = _checked(row[name] if needed else row.get(name), measure, kept["rule"], number == 0)
            if labelled and number == 0 and kept[f"target_{measure.name}"] is None:
                raise AdaptError(f"Expected a target_{measure.name} under rule {kept['rule']!r}, found none.")
        if estimates := row.get("estimates"):
            kept["estimates"] = {str(name): float(value) for name, value in estimates.items()}
        checked.append(kept)
    if len({row["rule"] for row in checked}) < len(checked):
        raise AdaptError(f"Expected each selection rule once, found {[row['rule'] for row in checked]}.")
    return checked


def _checked(value: Any, measure: Measure, rule: str, headline: bool) -> float | None:
    if value is None or (not headline and not math.isfinite(value)):
        return None
    low, high = measure.ends
    if not (low - _ROUNDING <= float(value) <= high + _ROUNDING and math.isfinite(value)):
        raise AdaptError(f"Expected {measure.words} in [{low:g}, {high:g}] under rule {rule!r}, found {value}.")
    return min(max(float(value), low), high)


def csv_columns(results: Sequence[CellResult]) -> tuple[str, ...]:
    """The columns of `results.csv`: the headline among the first ones, other metrics and estimates at the end."""
    first, *more = ([f"{domain}_{name}" for domain in _DOMAINS] for name in measures_of(results))
    estimates = dict.fromkeys(name for result in results for row in result.rows for name in row.get("estimates", ()))
    return (
        *(*_FIRST, *first, *_LAST),
        *(column for columns in more for column in columns),
        *(f"{_ESTIMATE}{name}" for name in estimates),
    )


def csv_rows(results: Sequence[CellResult]) -> list[list[Any]]:
    """One line of `csv_columns` per cell and selection rule; a cell without rows has one without metrics."""
    columns = csv_columns(results)
    lines: list[list[Any]] = []
    for result in results:
        about = {name: getattr(result, name) for name in (*_FIRST[:-1], *_LAST)}
        about["wall_seconds"] = round(result.wall_seconds, 2)
        for row in result.rows or [Row(rule="last")]:
            estimates = {f"{_ESTIMATE}{name}": value for name, value in row.get("estimates", {}).items()}
            lines.append([(about | row | estimates).get(column) for column in columns])
    return lines


def write_csv(results: Sequence[CellResult], path: Path) -> None:
    """Write the lines of `csv_rows`, with nothing between the commas where there is no value."""
    write_atomically(path, csv_text(csv_columns(results), csv_rows(results)))


def read_csv(path: Path) -> list[CellResult]:
    """The results that a `results.csv` holds, as far as its columns tell: it knows no step and no unit."""
    cells: dict[tuple[str, str, int], CellResult] = {}
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        names = [name.removeprefix("target_") for name in reader.fieldnames or () if name.startswith("target_")]
        measures = tuple(_measure(name) for name in names)
        for line in reader:
            values = {f"{d}_{name}": line[f"{d}_{name}"] for name in names for d in _DOMAINS}
            numbers = {name: float(text) if text else None for name, text in values.items()}
            key = line["task"], line["method"], int(line["seed"])
            known = cells.get(key) or CellResult(
                *key[:2],
                setting=line["setting"],
                seed=key[2],
                status=cast(Status, line["status"]),
                error=None,
                rows=(),
                wall_seconds=float(line["wall_seconds"]),
                config_hash=line["config_hash"],
                commit=line["commit"] or None,
                versions={},
                device="",
                threads=0,
                command="",
                started="",
                measures=measures,
            )
            row = Row(rule=line["rule"], step=0, **numbers)
            estimates = {
                name.removeprefix(_ESTIMATE): float(text)
                for name, text in line.items()
                if name.startswith(_ESTIMATE) and text
            }
            row |= {"estimates": estimates} if estimates else {}
            told = known.status == "ok" and row[f"target_{measures[0].name}"] is not None
            cells[key] = replace(known, rows=(*known.rows, row)) if told else known
    return list(cells.values())


def _measure(name: str) -> Measure:
    """A metric of which nothing but the name is known."""
    from adapt.problems import Classification, MultiLabel, Regression

    kinds = (Classification(2), Classification(2, "open"), Classification(3, unseen=["2"], positive="1"))
    problems = (*kinds, MultiLabel(2), Regression(1))
    known = {measure.name: measure for problem in problems for measure in problem.measures()}
    found = known.get(name, Measure(name, unit="", low=None, high=None))
    return found if found.share else replace(found, unit="")


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
