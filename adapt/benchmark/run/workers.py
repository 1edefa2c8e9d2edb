"""Running one cell, here or in a process beside this one, such that whatever happens becomes a result."""

import atexit
import datetime
import gc
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from typing import Any

import torch

from adapt.benchmark.plan.plan import Cell
from adapt.benchmark.plan.resources import Resources
from adapt.benchmark.results.results import (
    CellResult,
    Status,
    Tested,
    check_rows,
    device_name,
    git_commit,
    versions,
    write_result,
)
from adapt.benchmark.run.disk import DiskFullError, is_full
from adapt.benchmark.run.engine import Engine, Event, RunCell, Started
from adapt.benchmark.run.folders import prepare
from adapt.benchmark.run.machine import Jobs, Share, limit_threads, process_context, share
from adapt.errors import AdaptError, DivergedError, line_of, named, told
from adapt.files import write_atomically
from adapt.training.complaints import complaint

ERROR_FILE = "error.txt"
LOG_FILE = "log.txt"

# argparse and jsonargparse leave with this code when they refuse an argument.
_USAGE_EXIT = 2


def execute(cell: Cell, run_cell: RunCell, command: str) -> CellResult:
    """Run one cell and write its `result.json`, and `error.txt` with the traceback if it failed.

    Raises:
        KeyboardInterrupt: When the run was stopped; nothing is written then.
        DiskFullError: When there is no space for what it writes; it has no result then, and will run again.
    """
    try:
        return _execute(cell, run_cell, command)
    except Exception as error:
        if is_full(error, cell.directory):
            raise DiskFullError(f"No space is left on the disk of {cell.directory}.") from error
        raise


def _execute(cell: Cell, run_cell: RunCell, command: str) -> CellResult:
    started, clock = utc_now(), time.perf_counter()
    tested = Tested(())
    status: Status = "ok"
    error: str | None = None
    trace = ""
    try:
        found = run_cell(cell)
        found = found if isinstance(found, Tested) else Tested(found)
        tested = replace(found, rows=check_rows(found.rows, found.measures, found.target_labelled != 0))
    except DivergedError as exception:
        status, error, trace = "diverged", str(exception), traceback.format_exc()
    except Exception as exception:
        if is_full(exception, cell.directory):
            raise
        status, trace = "failed", traceback.format_exc()
        reason = told(exception)
        said = line_of(reason) if isinstance(reason, AdaptError) else complaint(exception)
        error = said or named(exception)
    except SystemExit as exception:
        # Lightning turns an interrupted training into an exit, and ignores Ctrl-C from then on.
        if exception.code != _USAGE_EXIT:
            raise KeyboardInterrupt from exception
        status, trace = "failed", traceback.format_exc()
        error = "The command line refused this configuration; it printed why."
    if status != "ok":
        write_atomically(cell.directory / ERROR_FILE, trace)
    result = result_of(cell, status, error, tested, time.perf_counter() - clock, command, started)
    write_result(result)
    _clean_up()
    return result


def result_of(
    cell: Cell,
    status: Status,
    error: str | None,
    tested: Tested,
    wall_seconds: float,
    command: str,
    started: str,
) -> CellResult:
    """A result with everything that this process knows about where it came from."""
    return CellResult(
        task=cell.task,
        method=cell.method,
        setting=cell.setting,
        seed=cell.seed,
        status=status,
        error=error,
        rows=tuple(tested.rows),
        wall_seconds=round(wall_seconds, 3),
        config_hash=cell.config_hash,
        commit=git_commit(),
        versions=versions(),
        device=device_name(cell.config),
        threads=torch.get_num_threads(),
        command=command,
        started=started,
        measures=tested.measures,
        target_labelled=tested.target_labelled,
        target_samples=tested.target_samples,
        directory=cell.directory,
    )


def failure(cell: Cell, error: str, more: str, seconds: float, command: str, started: str) -> CellResult:
    """Record that a cell failed without a word of its own.

    Args:
        cell: The cell, whose folder is there.
        error: Why, as its result says it.
        more: What `error.txt` says beside that.
        seconds: How long it ran.
        command: What a person typed.
        started: When it began.
    """
    write_atomically(cell.directory / ERROR_FILE, f"{error} {more}".strip() + "\n")
    result = result_of(cell, "failed", error, Tested(()), seconds, command, started)
    write_result(result)
    return result


def utc_now() -> str:
    """The time in ISO format, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


@dataclass
class Worker:
    """A process that runs one cell after another, so that libraries are imported once.

    A pool of the standard library cannot say which cell killed it; one pipe per process can.
    """

    process: Any
    pipe: Connection
    gpu: str | None = None
    cell: Cell | None = None
    started: str = ""
    clock: float = 0.0

    @classmethod
    def start(
        cls, context: Any, run_cell: RunCell, command: str, threads: int, gpu: str | None, others: Sequence[Connection]
    ) -> "Worker":
        """Start the process; not as a daemon, which could have no data-loading processes of its own."""
        here, there = context.Pipe()
        # A copied process has the ends of the others' pipes, and would keep them open when this process dies.
        inherited = (here, *others) if context.get_start_method() == "fork" else ()
        process = context.Process(target=_serve, args=(there, run_cell, command, threads, gpu, inherited), daemon=False)
        process.start()
        there.close()
        return cls(process, here, gpu)

    def submit(self, cell: Cell) -> None:
        """Hand over a cell."""
        self.cell, self.started, self.clock = cell, utc_now(), time.perf_counter()
        self.pipe.send(cell)

    def collect(self, command: str) -> CellResult:
        """The result of the cell; if the process died, a failure that says so."""
        assert self.cell is not None
        cell, self.cell = self.cell, None
        try:
            result = self.pipe.recv()
        except (EOFError, OSError):
            self.process.join()
            error = f"The worker process died ({_describe_exit(self.process.exitcode)})."
            seconds = time.perf_counter() - self.clock
            return failure(cell, error, f"Its output is in {LOG_FILE}.", seconds, command, self.started)
        if isinstance(result, DiskFullError):
            raise result
        assert isinstance(result, CellResult)
        return result


def local_engine(run_cell: RunCell, command: str, jobs: Jobs, cells: Sequence[Cell]) -> Engine:
    """The engine of one machine: this process for one cell at a time, processes beside it for several.

    Args:
        run_cell: Trains and tests one cell.
        command: What a person typed, for the results.
        jobs: Cells at a time, or `auto`.
        cells: The cells to run.
    """
    # Workers are alike: each can do what the most demanding cell asks for.
    cpus = [cell.resources.cpu for cell in cells if cell.resources.cpu is not None]
    gpus = [cell.resources.gpu for cell in cells if cell.resources.gpu is not None]
    shared = share(jobs, Resources(max(cpus, default=None), max(gpus, default=None)))
    if shared.jobs == 1 and not shared.devices:
        return InThisProcess(run_cell, command)
    return Workers(run_cell, command, shared, len(cells))


class InThisProcess:
    """Runs one cell after the other, here.

    Args:
        run_cell: Trains and tests one cell.
        command: What a person typed, for the results.
    """

    slots = 1

    def __init__(self, run_cell: RunCell, command: str) -> None:
        self._run_cell, self._command = run_cell, command
        self._cell: Cell | None = None

    def take(self, ready: Sequence[Cell]) -> list[Cell]:
        """The first one."""
        self._cell = ready[0] if ready else None
        return [*ready[:1]]

    def running(self) -> list[Cell]:
        """The one that was taken, between taking and its events."""
        return [] if self._cell is None else [self._cell]

    def events(self) -> Iterator[Event]:
        """Run the cell."""
        if self._cell is not None:
            prepare(self._cell)
            yield Started(self._cell)
            result = execute(self._cell, self._run_cell, self._command)
            self._cell = None
            yield result

    def stop(self) -> None:
        """Nothing is left of a cell that was stopped."""


class Workers:
    """The processes that run a grid's cells side by side, each on its share of the machine.

    Args:
        run_cell: Trains and tests one cell.
        command: What a person typed, for the results.
        share: How cells share the machine.
        most: Cells to run; there are never more processes.
    """

    def __init__(self, run_cell: RunCell, command: str, share: Share, most: int) -> None:
        self._run_cell, self._command, self._share = run_cell, command, share
        self.slots = share.jobs
        self._workers: list[Worker] = []
        self._begun: list[Cell] = []
        for _ in range(min(share.jobs, most)):
            self._start()

    def running(self) -> list[Cell]:
        """Cells that run now."""
        return [worker.cell for worker in self._workers if worker.cell is not None]

    def take(self, ready: Sequence[Cell]) -> list[Cell]:
        """As many as there are processes that wait for one."""
        taken: list[Cell] = []
        for cell in ready:
            worker = self._idle()
            if worker is None:
                break
            prepare(cell)
            worker.submit(cell)
            taken.append(cell)
        self._begun += taken
        return taken

    def events(self) -> Iterator[Event]:
        """Wait until a busy process has a result or has died; with none busy there is nothing to wait for."""
        begun, self._begun = self._begun, []
        yield from map(Started, begun)
        busy = {worker.pipe: worker for worker in self._workers if worker.cell is not None}
        if not busy:
            return
        for pipe in wait(list(busy)):
            if not isinstance(pipe, Connection):
                continue
            worker = busy[pipe]
            result = worker.collect(self._command)
            if not worker.process.is_alive():
                self._workers.remove(worker)
            yield result

    def stop(self, grace_seconds: float = 10.0) -> None:
        """End the processes: idle ones by closing their pipe, busy ones by signals."""
        for worker in self._workers:
            if worker.cell is not None:
                worker.process.terminate()
            worker.pipe.close()
        try:
            for worker in self._workers:
                worker.process.join(grace_seconds)
        finally:
            # A second Ctrl-C ends the waiting, and must not leave a process behind.
            for worker in self._workers:
                worker.process.kill()
                worker.process.join()

    def _idle(self) -> Worker | None:
        # An idle process may have been killed for its memory: another takes its place.
        self._workers = [worker for worker in self._workers if worker.cell or worker.process.is_alive()]
        for worker in self._workers:
            if worker.cell is None:
                return worker
        return self._start() if len(self._workers) < self._share.jobs else None

    def _start(self) -> Worker:
        used = [worker.gpu for worker in self._workers]
        gpu = min(self._share.devices, key=used.count) if self._share.devices else None
        pipes = [worker.pipe for worker in self._workers]
        started = Worker.start(process_context(), self._run_cell, self._command, self._share.threads, gpu, pipes)
        self._workers.append(started)
        return started


def _serve(
    pipe: Connection,
    run_cell: RunCell,
    command: str,
    threads: int,
    gpu: str | None,
    inherited: Sequence[Connection],
) -> None:
    # Ctrl-C reaches every process of the terminal; the grid alone decides what follows.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for other in inherited:
        other.close()
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    threading.Thread(target=_end_with_parent, daemon=True).start()
    limit_threads(threads)
    for number, name in ((1, "stdout"), (2, "stderr")):
        # What a cell prints goes into a file, whatever the terminal's encoding is. The grid's own streams may be a
        # notebook's, which write nowhere here.
        setattr(sys, name, open(number, "w", encoding="utf-8", errors="replace", closefd=False))  # noqa: SIM115
    while True:
        try:
            cell = pipe.recv()
        except EOFError:
            return
        result: CellResult | DiskFullError
        try:
            with (cell.directory / LOG_FILE).open("a", encoding="utf-8") as log:
                os.dup2(log.fileno(), 1)
                os.dup2(log.fileno(), 2)
            result = execute(cell, run_cell, command)
            sys.stdout.flush()
            sys.stderr.flush()
        except DiskFullError as error:
            result = error
        except OSError as error:
            if not is_full(error, cell.directory):
                raise
            result = DiskFullError(f"No space is left on the disk of {cell.directory}.")
        pipe.send(result)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        # A cell that outlived a killed grid would write into the folder that the next grid uses.
        os._exit(1)


def _clean_up() -> None:
    # The next cell must not share a logged run or memory with this one. Trainer, method and parser refer to each other
    # in circles, and beside the million objects that libraries hold, Python finds a few megabytes not worth a search.
    wandb = sys.modules.get("wandb")
    if wandb is not None and wandb.run is not None:
        wandb.finish(exit_code=1)
    gc.collect()
    if not gc.get_freeze_count():
        gc.freeze()  # the libraries' objects, which every later search would look at in vain
        atexit.register(gc.unfreeze)  # or libraries that count theirs at the end report leaks
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _describe_exit(code: int | None) -> str:
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        return f"{name}, usually out of memory" if name == "SIGKILL" else name
    return f"exit code {code}"
