"""Runs the cells of a benchmark, each once, whatever happens in between."""

import contextlib
import itertools
import json
import signal
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console

from adapt.benchmark.plan.merging import differences, merge
from adapt.benchmark.plan.plan import Cell, follows_from_classes
from adapt.benchmark.results.results import RESULT_FILE, CellResult, read_result, write_result
from adapt.benchmark.results.units import domain_pair, shared_pairs
from adapt.benchmark.run.disk import DiskFullError, is_full
from adapt.benchmark.run.engine import Engine, Event, Key, Lost, MakeEngine, RunCell, Started, key_of
from adapt.benchmark.run.folders import prepare, refuse_foreign
from adapt.benchmark.run.lock import locked
from adapt.benchmark.run.machine import Jobs
from adapt.benchmark.run.progress import GridProgress
from adapt.benchmark.run.workers import failure, local_engine, utc_now
from adapt.benchmark.vocabulary import CELL_FILE, PLAN_FILE
from adapt.errors import AdaptError
from adapt.files import write_atomically
from adapt.yaml_files import read_yaml

_SHOWN_DIFFERENCES = 3


@dataclass(frozen=True)
class GridOutcome:
    """Results of all cells that have one, and whether the grid was stopped before the last."""

    results: tuple[CellResult, ...]
    interrupted: bool

    @property
    def failed(self) -> tuple[CellResult, ...]:
        """Results of the cells that diverged or failed."""
        return tuple(result for result in self.results if result.status != "ok")


def run_grid(
    cells: Sequence[Cell],
    run_cell: RunCell,
    *,
    jobs: Jobs = 1,
    engine: MakeEngine = local_engine,
    retry: bool = False,
    rerun_changed: bool = False,
    command: str = "",
    console: Console | None = None,
    others: Sequence[Cell] = (),
) -> GridOutcome:
    """Run every cell that has no result yet.

    A cell that raises becomes a `failed` or `diverged` result and the others go on; cells that start from it fail too.
    Ctrl-C and SIGTERM end the grid after saying how to go on; finished cells are not run again.

    Args:
        cells: Cells in running order, each after the one it starts from, all below one folder.
        run_cell: Top-level function that trains and tests one cell and returns its rows.
        jobs: Cells at a time, or `auto`; more than one run in processes of their own, see `machine.share`.
        engine: What runs them; by default this machine.
        retry: Also run cells again that failed or diverged.
        rerun_changed: Also run finished cells again whose configuration has changed.
        command: What a person typed, for the results and for the hint how to resume.
        console: Where progress goes; by default standard output.
        others: Cells of the same plan that do not run now. Their results would share tables with those of `cells`, so
            that they have to have the same configuration, too.

    Raises:
        AdaptError: When the folder cannot be written, another grid uses it, or a finished cell's configuration differs.
        DiskFullError: When there is no space left; what is done is kept, and the next grid goes on.
    """
    if not cells:
        raise AdaptError("Expected at least one cell to run, found none.")
    if isinstance(jobs, int) and jobs < 1:
        raise AdaptError(f"Expected --jobs of at least 1, found {jobs}.")
    console = console or Console()
    out = cells[0].directory.parents[2]
    results: dict[Key, CellResult] = {}
    interrupted = False
    with locked(out), stopping_by_signal():
        try:
            if not rerun_changed:
                _refuse_changed([cell for cell in others if cell not in cells])
            results |= _known_results(cells, retry, rerun_changed, console)
            _write_plan(out, cells, command, others)
            todo = [cell for cell in cells if key_of(cell) not in results]
            for cell in todo:
                refuse_foreign(cell)
            with contextlib.ExitStack() as stack:
                events: Iterator[Event] = iter(())
                slots = 1
                if todo:
                    # Before the progress bar, which has a thread.
                    made = engine(run_cell, command, jobs, todo)
                    stack.callback(made.stop)
                    events, slots = _work(todo, results, made, command), made.slots
                progress = stack.enter_context(GridProgress(console, cells, results.values(), slots))
                for event in events:
                    if isinstance(event, Started):
                        progress.start(event.cell, event.node)
                    elif isinstance(event, Lost):
                        progress.lost(event.cell, event.node)
                    else:
                        results[key_of(event)] = event
                        progress.finish(event)
        except KeyboardInterrupt:
            interrupted = True
        except (OSError, DiskFullError) as error:
            if not is_full(error, out):
                raise AdaptError(f"Cannot write results into {out} ({error}); choose another --out.") from error
            raise DiskFullError(
                f"No space is left on the disk of {out}. {_kept(results, cells)} Free some, then run: "
                f"{command or 'the same command'}"
            ) from error
    if interrupted:
        console.print(
            f"Stopped: {_kept(results, cells)} To go on, run: {command or 'the same command'}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    return GridOutcome(tuple(results[key_of(cell)] for cell in cells if key_of(cell) in results), interrupted)


def _kept(results: Collection[Any], cells: Collection[Any]) -> str:
    return f"{len(results)} of {len(cells)} cells are done and kept."


def _known_results(cells: Sequence[Cell], retry: bool, rerun_changed: bool, console: Console) -> dict[Key, CellResult]:
    """Results that stand; refuses to mix results of two configurations."""
    known: dict[Key, CellResult] = {}
    changed: list[Cell] = []
    for cell in cells:
        path = cell.directory / RESULT_FILE
        if not path.exists():
            continue
        try:
            result = read_result(path)
        except AdaptError:
            console.print(f"{path} is truncated or not a result: this cell runs again.", markup=False, soft_wrap=True)
            continue
        if result.config_hash == cell.config_hash:
            if result.status == "ok" or not retry:
                known[key_of(cell)] = _labelled(result, cell)
        elif result.status == "ok":
            # A failure under an older configuration holds nothing worth keeping, and simply runs again.
            changed.append(cell)
    if not rerun_changed:
        _refuse(changed)
    return known


def _labelled(result: CellResult, cell: Cell) -> CellResult:
    """The result with what the plan says now of its target labels: a word of the tables, and no other run.

    What follows from classes stays as it was when they ran: another folder may not have a person's own.
    """
    written = cell.written_setting is not None or not follows_from_classes(result.setting)
    if not written or result.setting == cell.setting:
        return result
    found = replace(result, setting=cell.setting)
    write_result(found)
    return found


def _refuse_changed(cells: Sequence[Cell]) -> None:
    """Refuse cells whose finished results had another configuration; the others get the plan's word for labels."""
    changed = []
    for cell in cells:
        try:
            result = read_result(cell.directory / RESULT_FILE)
        except AdaptError:  # there is none, or none that counts
            continue
        if result.config_hash == cell.config_hash:
            _labelled(result, cell)
        elif result.status == "ok":
            changed.append(cell)
    _refuse(changed)


def _refuse(changed: Sequence[Cell]) -> None:
    if changed:
        more = f" (and {len(changed) - 1} more)" if len(changed) > 1 else ""
        raise AdaptError(
            f"The finished cell {changed[0].name}{more} had another configuration: {_what_changed(changed[0])}. "
            "Choose another --out, or run what changed again with --rerun-changed."
        )


def _what_changed(cell: Cell) -> str:
    try:
        old = read_yaml(cell.directory / CELL_FILE)
    except AdaptError:
        return f"its {CELL_FILE} is gone, so the difference is not known"
    new = cell.config
    if cell.init_from is not None:
        # The path of the start differs between output folders and means nothing.
        old, new = (merge(config, {"model": {"init_args": {"init_from": None}}}) for config in (old, new))
    lines = list(itertools.islice(differences(old, new), _SHOWN_DIFFERENCES + 1))
    if not lines:
        return f"the run of {cell.init_from} that it starts from has changed"
    return "; ".join(lines[:_SHOWN_DIFFERENCES]) + ("; ..." if len(lines) > _SHOWN_DIFFERENCES else "")


def _write_plan(out: Path, cells: Sequence[Cell], command: str, others: Sequence[Cell]) -> None:
    # A report is made from files alone, and folders do not remember in which order a person named them.
    plan = {
        "benchmark": cells[0].benchmark,
        "tasks": list(dict.fromkeys(cell.task for cell in cells)),
        "methods": list(dict.fromkeys(cell.method for cell in cells)),
        "seeds": sorted({cell.seed for cell in cells}),
        # Also those that another part of the plan has, so that a report knows which results are of an earlier plan.
        "all_seeds": sorted({cell.seed for cell in (*cells, *others)}),
        "metric": cells[0].metric,
        "rule": cells[0].rule,
        "units": shared_pairs({cell.task: domain_pair(cell.config) for cell in cells}),
        "command": command,
    }
    write_atomically(out / PLAN_FILE, json.dumps(plan, indent=1, ensure_ascii=False) + "\n")


def _work(todo: Sequence[Cell], results: Mapping[Key, CellResult], engine: Engine, command: str) -> Iterator[Event]:
    """Offer the engine the cells whose start has finished; a cell whose start has failed fails too."""
    waiting = {key_of(cell): cell for cell in todo}
    while waiting or (running := engine.running()):
        running = engine.running()
        unfinished = waiting.keys() | {key_of(cell) for cell in running}
        ready: list[Cell] = []
        for key, cell in list(waiting.items()):
            begins = None if cell.init_from is None else (cell.task, cell.init_from, cell.seed)
            if begins in unfinished:
                continue
            start = None if begins is None else results.get(begins)
            if start is None or start.status == "ok":
                ready.append(cell)
                continue
            del waiting[key]
            yield _without_start(cell, start, command)
        for cell in engine.take(ready):
            del waiting[key_of(cell)]
        yield from engine.events()


def _without_start(cell: Cell, start: CellResult, command: str) -> CellResult:
    error = f"It starts from {start.method} of the same task and seed, which {start.status}."
    prepare(cell)
    return failure(cell, error, "", 0.0, command, utc_now())


@contextlib.contextmanager
def stopping_by_signal() -> Iterator[None]:
    """SIGTERM stops like Ctrl-C, and both work again afterwards though Lightning may have silenced them."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    try:
        before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    except ValueError:
        # Only the main thread may set handlers.
        yield
        return
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
