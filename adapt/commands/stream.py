"""`adapt stream`: a target streams through a trained run, which predicts and adapts."""

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from adapt.benchmark.outputs.files import build_report
from adapt.benchmark.outputs.terminal import say, show
from adapt.benchmark.plan.checks import check_keys
from adapt.benchmark.plan.plan import Cell
from adapt.benchmark.run.grid import GridOutcome, run_grid, stopping_by_signal
from adapt.benchmark.run.progress import duration
from adapt.commands.grids import console_of_grids, log_to_wandb, say_unsent
from adapt.commands.options import stream_options
from adapt.errors import AdaptError
from adapt.streaming.cell import build_method, prepared, run_cell
from adapt.streaming.settings import (
    DEFAULT_METHODS,
    DEFAULTS,
    cells_of,
    method_entries,
    read_stream_file,
    with_lists,
)
from adapt.training.tracking import WandbMode, settled_mode

_INTERRUPTED = 130
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
    methods = method_entries(options.pop("method", None) or DEFAULT_METHODS)
    scenarios = options.pop("scenario", None) or ["single"]
    seeds = options.pop("seed", None)
    cells = cells_of(runs, methods, scenarios, seeds, options, out, name, mode, given.project)
    with stopping_by_signal():
        outcome = stream_cells(cells, given, command, console, mode)
    if outcome.interrupted:
        return _INTERRUPTED
    say_unsent([out], mode, console)
    return 1 if outcome.failed else 0


def stream_cells(
    cells: Sequence[Cell], given: argparse.Namespace, command: str, console: Console, mode: WandbMode
) -> GridOutcome:
    """Run streams and make their report, of which the terminal shows the table and the warnings.

    Args:
        cells: Streams of one folder.
        given: `jobs`, `retry`, `rerun_changed` and `project` of the command.
        command: What a person typed.
        console: Where progress and tables go.
        mode: How runs log to Weights & Biases.

    Raises:
        AdaptError: A method does not fit a run.
    """
    _check(cells)
    options = {"jobs": given.jobs, "retry": given.retry, "rerun_changed": given.rerun_changed}
    outcome = run_grid(cells, run_cell, command=command, console=console, **options)
    if outcome.interrupted:
        return outcome
    out = cells[0].directory.parents[2]
    report = build_report(out)
    log_to_wandb(out, cells[0].benchmark, mode, given.project, report, console)
    show(report, console)
    for result, warnings in zip(report.analysis.results, report.analysis.warnings, strict=True):
        for warned in warnings:
            say(console, f"Warning, {result.name}: {warned.text}")
    say(console, f"{len(outcome.results)} streams, {duration(sum(r.wall_seconds for r in outcome.results))}.")
    if outcome.failed:
        say(console, f"{len(outcome.failed)} without a result (see error.txt of each); --retry runs them again.")
    return outcome


def _merged(given: argparse.Namespace) -> dict[str, Any]:
    """The options of the file, if there is one, below those that were typed."""
    found: dict[str, Any] = {}
    if given.config is not None:
        found = read_stream_file(given.config)
        if "tasks" in found:
            raise AdaptError(
                f"{given.config} is a file of `adapt benchmark`: adapt benchmark --config {given.config}. Runs that it "
                "trains are streamed through where it has `streams`."
            )
        check_keys(found, _KEYS, str(given.config))
    typed = {key: getattr(given, key) for key in _KEYS if getattr(given, key, None) is not None}
    return with_lists(found | typed)


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
