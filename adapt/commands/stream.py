"""`adapt stream`: a target streams through a trained run, which predicts and adapts."""

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adapt.benchmark.outputs.files import build_report
from adapt.benchmark.outputs.terminal import say, show
from adapt.benchmark.plan.checks import check_keys
from adapt.benchmark.plan.plan import Cell
from adapt.benchmark.run.grid import run_grid, stopping_by_signal
from adapt.benchmark.run.progress import duration
from adapt.commands.grids import console_of_grids, log_to_wandb, say_unsent
from adapt.commands.options import stream_options
from adapt.errors import AdaptError
from adapt.streaming import METHODS
from adapt.streaming.cell import build_method, prepared, run_cell
from adapt.streaming.settings import DEFAULTS, cells_of, method_class, method_entry, read_stream_file
from adapt.training.tracking import settled_mode

_INTERRUPTED = 130
_LISTS = ("run", "method", "scenario", "domains", "corruptions", "seed")
_KEYS = (*DEFAULTS, "method", "seed", "out", "name")


def stream_command(argv: list[str]) -> int:
    """Stream a target through one or several runs, methods and scenarios, and make the report.

    Args:
        argv: Arguments after `adapt stream`.

    Returns:
        0; 1 if a stream failed; 130 if it was stopped.

    Raises:
        AdaptError: An option is wrong, or does not fit the run.
    """
    given = stream_options().parse_args(argv)
    command = shlex.join(["adapt", "stream", *argv])
    console = console_of_grids()
    mode = settled_mode(given.wandb)
    options = _merged(given)
    out = Path(options.pop("out", None) or Path("runs") / "stream")
    name = str(options.pop("name", None) or out.name)
    runs = [Path(path) for path in options.pop("run", None) or []]
    if not runs:
        raise AdaptError("Expected --run with a trained run, such as runs/mine, found none. `adapt fit` trains one.")
    methods = _methods(options.pop("method", None) or ["BN1", "TENT"])
    scenarios = options.pop("scenario", None) or ["single"]
    seeds = options.pop("seed", None)
    cells = cells_of(runs, methods, scenarios, seeds, options, out, name, mode, given.project)
    _check(cells)
    with stopping_by_signal():
        outcome = run_grid(
            cells,
            run_cell,
            jobs=given.jobs,
            retry=given.retry,
            rerun_changed=given.rerun_changed,
            command=command,
            console=console,
        )
    if outcome.interrupted:
        return _INTERRUPTED
    report = build_report(out)
    log_to_wandb(out, name, mode, given.project, report, console)
    show(report, console)
    for result, warnings in zip(report.analysis.results, report.analysis.warnings, strict=True):
        for warned in warnings:
            say(console, f"Warning, {result.name}: {warned.text}")
    say_unsent([out], mode, console)
    say(console, f"{len(outcome.results)} streams, {duration(sum(r.wall_seconds for r in outcome.results))}.")
    if outcome.failed:
        say(console, f"{len(outcome.failed)} without a result (see error.txt of each); --retry runs them again.")
    return 1 if outcome.failed else 0


def _merged(given: argparse.Namespace) -> dict[str, Any]:
    """The options of the file, if there is one, below those that were typed."""
    found: dict[str, Any] = {}
    if given.config is not None:
        found = read_stream_file(given.config)
        check_keys(found, _KEYS, str(given.config))
    typed = {key: getattr(given, key) for key in _KEYS if getattr(given, key, None) is not None}
    merged = found | typed
    for key in _LISTS:
        if merged.get(key) is not None:
            merged[key] = _listed(merged[key])
    return {key: value for key, value in merged.items() if value is not None}


def _listed(value: Any) -> list[Any]:
    """A list, also of what is typed with commas between."""
    parts = value if isinstance(value, list | tuple) else [value]
    return [piece for part in parts for piece in (part.split(",") if isinstance(part, str) else [part]) if piece != ""]


def _methods(asked: Sequence[Any]) -> list[dict[str, Any]]:
    """The methods, the unadapted source first, which every table needs."""
    entries = [dict(entry) if isinstance(entry, dict) else method_entry(str(entry)) for entry in asked]
    for entry in entries:
        if not isinstance(entry.get("class_path"), str) or not isinstance(entry.setdefault("init_args", {}), dict):
            raise AdaptError(
                f"Expected methods as TENT, TENT:lr=0.0001, or class_path with init_args, found {entry!r:.80}."
            )
    if not any(method_class(entry["class_path"]).baseline for entry in entries):
        entries.insert(0, {"class_path": next(iter(METHODS)), "init_args": {}})
    return entries


def _check(cells: Sequence[Cell]) -> None:
    """Refuse what does not fit before the first stream runs: each method around each run, and each arrangement."""
    seen = set()
    for cell in cells:
        stream = cell.config["stream"]
        key = str(stream), str(cell.config["method"])
        if key not in seen:
            seen.add(key)
            model, _ = prepared(stream, cell.seed)
            build_method(model, cell.config["method"])
