"""`adapt benchmark` and `adapt report`."""

import argparse
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from rich.console import Console

from adapt.benchmark.plan import WandbMode, read_plan
from adapt.benchmark.progress import duration
from adapt.benchmark.report import Report, build_report
from adapt.benchmark.tables import terminal_table
from adapt.errors import AdaptError

_INTERRUPTED = 130


def benchmark_command(argv: list[str]) -> int:
    """Run a benchmark's cells, build its report and log the comparison.

    Args:
        argv: Arguments after `adapt benchmark`.

    Returns:
        0, 1 when a cell failed or the input is wrong, 130 when the grid was stopped.
    """
    arguments = _benchmark_parser().parse_args(argv)
    return _telling_errors(lambda: _benchmark(arguments, shlex.join(["adapt", "benchmark", *argv])))


def report_command(argv: list[str]) -> int:
    """Rebuild the report of a benchmark from its files.

    Args:
        argv: Arguments after `adapt report`.

    Returns:
        0, or 1 when the folder holds no results that can be read.
    """
    parser = argparse.ArgumentParser("adapt report", description="Rebuild tables, pictures and page from files.")
    parser.add_argument("runs", type=Path, metavar="RUNS", help="folder of a benchmark, such as runs/quickstart")
    runs: Path = parser.parse_args(argv).runs

    def report() -> int:
        _show(build_report(runs), _console())
        return 0

    return _telling_errors(report)


def resolve_wandb_mode(mode: WandbMode) -> Literal["online", "offline", "disabled"]:
    """What `auto` means here: `WANDB_MODE` if it is set, otherwise online if a key is configured, else offline."""
    if mode != "auto":
        return mode
    named = os.environ.get("WANDB_MODE", "")
    if named in ("online", "offline", "disabled"):
        return named  # type: ignore[return-value]  # mypy does not narrow str to literals by `in`
    import wandb

    return "online" if wandb.Settings().api_key or wandb.api.api_key else "offline"


def _benchmark_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "adapt benchmark", description="Run tasks × methods × seeds; finished cells are never run twice."
    )
    parser.add_argument(
        "--config", type=Path, required=True, metavar="B.yaml", help="the benchmark: tasks, methods, seeds"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the results (default: runs/<name>)")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="cells at a time (default: 1)")
    parser.add_argument("--retry", action="store_true", help="run failed and diverged cells again")
    parser.add_argument(
        "--rerun-changed", action="store_true", help="run finished cells again whose config has changed"
    )
    modes = ["auto", "online", "offline", "disabled"]
    parser.add_argument("--wandb", choices=modes, default="auto", help="auto: online when a key is configured")
    parser.add_argument("--project", default="adapt", help="project in Weights & Biases (default: adapt)")
    return parser


def _benchmark(arguments: argparse.Namespace, command: str) -> int:
    plan = read_plan(arguments.config, arguments.out, arguments.wandb, arguments.project)
    # Only now: a slip in the YAML should not wait for torch.
    from adapt.benchmark.grid import run_grid
    from adapt.benchmark.run import run_cell

    console = _console()
    outcome = run_grid(
        plan.cells,
        run_cell,
        jobs=arguments.jobs,
        retry=arguments.retry,
        rerun_changed=arguments.rerun_changed,
        command=command,
        console=console,
    )
    if outcome.interrupted:
        return _INTERRUPTED
    out = plan.cells[0].directory.parents[2]
    report = build_report(out)
    _log(out, arguments.project, plan.name, resolve_wandb_mode(arguments.wandb), report, console)
    _show(report, console)
    seconds = sum(result.wall_seconds for result in outcome.results)
    _say(console, f"{len(outcome.results)} cells, {duration(seconds)} of training and testing.")
    if outcome.failed:
        _say(console, f"{len(outcome.failed)} without a result (see error.txt of each); --retry runs them again.")
    return 1 if outcome.failed else 0


def _log(
    out: Path,
    project: str,
    group: str,
    mode: Literal["online", "offline", "disabled"],
    report: Report,
    console: Console,
) -> None:
    if mode == "disabled":
        return
    from adapt.benchmark.comparison import log_comparison

    try:
        log_comparison(out, project, group, mode == "offline", out, report)
    except Exception as error:
        # Everything is on disk by now: a network that is down must not make a finished benchmark look failed.
        _say(console, f"The comparison was not logged to Weights & Biases ({type(error).__name__}: {error}).")


def _show(report: Report, console: Console) -> None:
    console.print(terminal_table(report.summaries[0]))
    files = (report.page, report.markdown, report.latex, report.table, report.results)
    _say(console, "Written: " + ", ".join(map(str, files)))


def _telling_errors(run: Callable[[], int]) -> int:
    try:
        return run()
    except AdaptError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _console() -> Console:
    # Piped output has no width of its own; 80 columns would fold tables that a log can hold.
    return Console() if sys.stdout.isatty() else Console(width=200)
