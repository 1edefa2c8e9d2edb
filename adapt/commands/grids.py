"""`adapt benchmark`, `adapt report` and `adapt compare`."""

import argparse
import contextlib
import shlex
import sys
import webbrowser
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from adapt.benchmark.outputs.files import Output, build_report
from adapt.benchmark.outputs.render import to_terminal
from adapt.benchmark.outputs.tables.changes import changes_sentences, changes_table
from adapt.benchmark.outputs.terminal import say as _say
from adapt.benchmark.outputs.terminal import show as _show
from adapt.benchmark.outputs.wandb_report import intention, publish
from adapt.benchmark.outputs.wandb_runs import log_comparison, unsent_runs
from adapt.benchmark.plan.before import check_data, check_own_classes, check_rules
from adapt.benchmark.plan.plan import Cell, Plan, only_seeds, read_plan
from adapt.benchmark.run.grid import GridOutcome, run_grid, stopping_by_signal
from adapt.benchmark.run.progress import duration
from adapt.benchmark.run.ray_cluster import RayCluster, check_ray
from adapt.benchmark.run.search import rule_folder, run_search
from adapt.benchmark.statistics.changes import compare_grids
from adapt.benchmark.vocabulary import SEARCH_FILE
from adapt.commands.options import benchmark_options, compare_options, report_options
from adapt.errors import AdaptError
from adapt.training.tracking import WandbMode, settled_mode
from adapt.yaml_files import read_yaml

if TYPE_CHECKING:
    from adapt.streaming.planned import PlannedStreams

_INTERRUPTED = 130


def benchmark_command(argv: list[str]) -> int:
    """Run a benchmark's cells, build its report and log the comparison.

    Args:
        argv: Arguments after `adapt benchmark`.

    Returns:
        0; 1 if a cell failed; 130 if the grid was stopped.

    Raises:
        AdaptError: The plan or the folder of results is not valid.
    """
    arguments = benchmark_options().parse_args(argv)
    command = shlex.join(["adapt", "benchmark", *argv])
    console = console_of_grids()
    try:
        with stopping_by_signal():
            return _run(arguments, command, console)
    except KeyboardInterrupt:
        _say(console, f"Stopped; finished cells are kept. To continue, run: {command}")
        return _INTERRUPTED
    except OSError as error:
        raise AdaptError(
            f"Cannot write the results ({error}). Finished cells are kept; to continue, run: {command}"
        ) from error


def _run(arguments: argparse.Namespace, command: str, console: Console) -> int:
    # Check once for the grid: otherwise every cell would wait for a server that does not answer.
    wandb_mode = settled_mode(arguments.wandb)
    if arguments.engine != "ray" and (arguments.address or arguments.ship):
        raise AdaptError("--address and --ship are for --engine ray; add it, or leave them out.")
    with contextlib.ExitStack() as stack:
        if arguments.engine == "ray":
            check_ray()
        _refuse_stream_file(arguments.config)
        plan = read_plan(arguments.config, arguments.out, wandb_mode, arguments.project)
        # Imported here because it builds the command line, which includes this command.
        from adapt.streaming.planned import folder_of, read_streams

        streams, others = read_streams(plan, arguments.config), plan.cells
        check_own_classes(plan, arguments.config)
        check_rules(plan, arguments.config)
        check_data(plan, arguments.config)
        if arguments.seeds is not None:
            plan = only_seeds(plan, arguments.seeds)
        if arguments.engine == "ray":
            cluster = stack.enter_context(RayCluster(arguments.address, arguments.ship, console))
            outcome, folders = _run_cells(plan, arguments, command, console, {"engine": cluster.engine}, others)
        else:
            outcome, folders = _run_cells(plan, arguments, command, console, {}, others)
    if outcome.interrupted:
        return _INTERRUPTED
    for name, folder in folders.items():
        report = build_report(folder)
        log_to_wandb(folder, name, wandb_mode, arguments.project, report, console)
        _show(report, console)
    seconds = sum(result.wall_seconds for result in outcome.results)
    _say(console, f"{len(outcome.results)} cells, {duration(seconds)} of training and testing.")
    if outcome.failed:
        _say(console, f"{len(outcome.failed)} without a result (see error.txt of each); --retry runs them again.")
    code = 1 if outcome.failed else 0
    if streams is not None:
        code = max(code, _stream(plan, streams, arguments, command, console, wandb_mode))
        if code != _INTERRUPTED:
            build_report(folders[plan.name])  # its page now links to that of the streams
        folders[f"{plan.name}, streams"] = folder_of(plan)
    if code != _INTERRUPTED:
        say_unsent(folders.values(), wandb_mode, console)
    return code


def _stream(
    plan: Plan,
    streams: "PlannedStreams",
    arguments: argparse.Namespace,
    command: str,
    console: Console,
    mode: WandbMode,
) -> int:
    """Stream the target through the runs that were trained; on this machine, whatever trained them."""
    from adapt.commands.stream import stream_cells
    from adapt.streaming.planned import folder_of, planned_cells

    cells = planned_cells(plan, streams)
    if not cells:
        _say(console, f"No run of {streams.trained_by} has a result: nothing to stream through.")
        return 1
    _say(console, f"Streams through the runs of {streams.trained_by}, in {folder_of(plan)}:")
    outcome = stream_cells(cells, arguments, command, console, mode)
    if outcome.interrupted:
        return _INTERRUPTED
    return 1 if outcome.failed else 0


def _refuse_stream_file(path: Path) -> None:
    """A file of `adapt stream` names no tasks: say which command takes it.

    Raises:
        AdaptError: It is one.
    """
    content = read_yaml(path)
    if isinstance(content, Mapping) and "tasks" not in content and {"scenario", "corruptions", "run"} & set(content):
        raise AdaptError(
            f"{path} is a file of `adapt stream`: adapt stream --config {path} --run RUN. A benchmark that trains the "
            "runs, too, has these options under `streams`, as benchmarks/streams does."
        )


def _run_cells(
    plan: Plan,
    arguments: argparse.Namespace,
    command: str,
    console: Console,
    engine: Mapping[str, Any],
    others: Sequence[Cell],
) -> tuple[GridOutcome, dict[str, Path]]:
    """Run the grid or the search; by the names of the benchmarks that come of it their folders."""
    out = plan.cells[0].directory.parents[2]
    # Imported here because a run builds the command line, which includes this command.
    from adapt.benchmark.run.train_and_test import run_cell

    options: dict[str, Any] = {
        "jobs": arguments.jobs,
        "retry": arguments.retry,
        "rerun_changed": arguments.rerun_changed,
        "command": command,
        "console": console,
        **engine,
    }
    if plan.search is None:
        outcome = run_grid(plan.cells, run_cell, others=others, **options)
        # An earlier search may have picked other settings than those of these cells.
        (out / SEARCH_FILE).unlink(missing_ok=True)
        folders = {plan.name: out}
    else:
        outcome = run_search(plan, run_cell, **options)
        folders = {plan.name: out}
        folders |= {
            f"{plan.name}, picked by {rule}": rule_folder(out, plan.search, rule) for rule in plan.search.rules[1:]
        }
    return outcome, folders


def report_command(argv: list[str]) -> int:
    """Rebuild the report of a benchmark from its files.

    Args:
        argv: Arguments after `adapt report`.

    Returns:
        0; 130 if it was stopped.

    Raises:
        AdaptError: The folder holds no results, a result cannot be read, or W&B refuses the report.
    """
    arguments = report_options().parse_args(argv)
    console = console_of_grids()
    try:
        report = build_report(arguments.runs)
    except KeyboardInterrupt:
        _say(console, f"Stopped: an earlier report in {arguments.runs} is unchanged. Run the same command again.")
        return _INTERRUPTED
    _show(report, console)
    if arguments.open and not webbrowser.open(report.page.resolve().as_uri()):
        _say(console, f"No browser was found to open {report.page}.")
    if arguments.wandb:
        _publish(report, arguments.project, arguments.entity, console)
    return 0


def compare_command(argv: list[str]) -> int:
    """Print what changed between two benchmarks.

    Args:
        argv: Arguments after `adapt compare`.

    Returns:
        0.

    Raises:
        AdaptError: A folder holds no results, or the two have nothing in common.
    """
    arguments = compare_options().parse_args(argv)
    changes = compare_grids(arguments.first, arguments.second, arguments.rule)
    console = console_of_grids()
    _say(console, f"A: {arguments.first}\nB: {arguments.second}")
    console.print(to_terminal(changes_table(changes)))
    for sentence in changes_sentences(changes):
        _say(console, sentence)
    return 0


def log_to_wandb(out: Path, group: str, mode: WandbMode, project: str, report: Output, console: Console) -> None:
    """Log the comparison of a grid, if Weights & Biases is not disabled."""
    settled = settled_mode(mode)
    if settled == "disabled":
        return
    try:
        log_comparison(report, project, group, settled == "offline")
    except Exception as error:
        # Everything is on disk by now: a network error must not make a finished benchmark look failed.
        _say(console, f"The comparison was not logged to Weights & Biases ({type(error).__name__}: {error}).")


def say_unsent(folders: Iterable[Path], mode: WandbMode, console: Console) -> None:
    """Say how offline runs are sent later."""
    unsent = [pattern for folder in folders for pattern in unsent_runs(folder)]
    if mode == "offline" and unsent:
        _say(console, f"To Weights & Biases: wandb sync {' '.join(unsent)}")


def _publish(report: Output, project: str, entity: str | None, console: Console) -> None:
    if settled_mode() != "online":
        _say(console, intention(report, project))
    else:
        _say(console, f"Report in Weights & Biases: {publish(report, project, entity)}")


def console_of_grids() -> Console:
    """Where a grid's progress and tables go."""
    # Piped output has no width; 80 columns would wrap tables that fit a log.
    return Console() if sys.stdout.isatty() else Console(width=200)
