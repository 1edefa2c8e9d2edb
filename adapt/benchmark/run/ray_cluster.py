"""A grid's cells on a Ray cluster: on one machine or many, each in a process that lives as long as the grid."""

import contextlib
import logging
import os
import signal
import socket
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console

from adapt.benchmark.plan.plan import Cell
from adapt.benchmark.results.results import CellResult
from adapt.benchmark.run.engine import Event, Key, Lost, RunCell, Started, key_of
from adapt.benchmark.run.folders import prepare
from adapt.benchmark.run.machine import Jobs, usable_cores
from adapt.benchmark.run.remote import CellRunner, Home, Sent, start_of, unpack
from adapt.benchmark.run.workers import failure, utc_now
from adapt.benchmark.vocabulary import count
from adapt.errors import AdaptError
from adapt.extras import optional

RETRIES = 3
"""How often a cell begins again because its process or its machine is gone."""

_PASSED_ON = ("ADAPT_DATA", "WANDB_MODE", "ADAPT_DEBUG")
# Ray counts free processors in steps of this.
_GRAIN = 1e-4
# New machines are noticed within it.
_GLANCE_SECONDS = 5.0
_STORE_BYTES = 256 * 2**20


def check_ray() -> Any:
    """Ray's module, which the grid asks for before anything runs.

    Raises:
        AdaptError: It is not installed.
    """
    return optional("ray", "Ray", "ray", "--engine ray")


class RayCluster:
    """A connection to a Ray cluster, for one grid or several one after the other.

    Args:
        address: `host:port` of a cluster's head, or `auto` for the one that this machine belongs to; by default the
            variable `RAY_ADDRESS`, and without it a cluster of this machine alone, which ends with the connection.
        ship: Send results back through Ray even where the nodes see the folder of the results.
        console: Where a line about the cluster goes.

    Raises:
        AdaptError: Ray is not installed, the address is not one, or nothing answers there.
    """

    def __init__(self, address: str | None = None, ship: bool = False, console: Console | None = None) -> None:
        check_ray()
        self.address, self.ship = address or os.environ.get("RAY_ADDRESS") or "local", ship
        self.console = console or Console()
        if self.address.startswith("ray://"):
            raise AdaptError(
                f"Expected host:port of a Ray cluster, found {self.address}, which is for Ray's client. Run the "
                "command on a machine of the cluster with --address auto, or with `ray job submit -- adapt ...`."
            )

    def __enter__(self) -> "RayCluster":
        ray = check_ray()

        own = self.address == "local"
        options: dict[str, Any] = {}
        if own:
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            options = {
                "num_cpus": usable_cores(),
                "include_dashboard": False,
                "object_store_memory": _STORE_BYTES,
            }
        _quieten()
        if not own and self.address != "auto":
            self._knock()
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            ray.init(address=self.address, log_to_driver=False, logging_level=logging.CRITICAL, **options)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise self._no_answer(error) from error
        with contextlib.suppress(ValueError):  # only the main thread may set them
            for number, handler in handlers.items():
                signal.signal(number, handler)
        total = ray.cluster_resources()
        nodes = len([node for node in ray.nodes() if node["Alive"]])
        parts = [count(nodes, "node"), count(int(total.get("CPU", 0)), "CPU"), count(int(total.get("GPU", 0)), "GPU")]
        where = "this machine" if own else self.address
        self.console.print(f"Ray: {', '.join(parts)} ({where}).", markup=False, highlight=False, soft_wrap=True)
        return self

    def _knock(self) -> None:
        """Ask for an answer: Ray itself would wait for minutes."""
        host, _, port = self.address.rpartition(":")
        try:
            socket.create_connection((host, int(port)), timeout=10).close()
        except (OSError, ValueError) as error:
            raise self._no_answer(error) from error

    def _no_answer(self, error: Exception) -> AdaptError:
        return AdaptError(
            f"No Ray cluster answers at {self.address} ({' '.join(str(error).split()):.200}). Start one with "
            "`ray start --head`, or leave --address out for this machine alone. If it asks for a token, set "
            "RAY_AUTH_MODE=token."
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ray = check_ray()

        ray.shutdown()

    def engine(self, run_cell: RunCell, command: str, jobs: Jobs, cells: Sequence[Cell]) -> "RayWorkers":
        """The engine for one grid.

        Args:
            run_cell: Trains and tests one cell.
            command: What a person typed.
            jobs: Cells at a time; `auto` is as many as the cluster holds.
            cells: The cells to run.
        """
        return RayWorkers(run_cell, command, jobs, cells, self.ship, self.console, self.address == "local")


@dataclass(frozen=True)
class _Request:
    """What a process asks the cluster for, for each of its cells in turn."""

    cpu: int
    gpu: float
    hide_gpus: bool

    def fits(self, resources: dict[str, float]) -> int:
        found = [int((resources.get("CPU", 0.0) + _GRAIN) / self.cpu)]
        if self.gpu:
            gpus = int(resources.get("GPU", 0.0) + _GRAIN)
            # A share is of one GPU; whole ones are counted together.
            found.append(gpus * int(1 / self.gpu + _GRAIN) if self.gpu <= 1 else gpus // int(self.gpu))
        return min(found)

    def __str__(self) -> str:
        return count(self.cpu, "CPU") + (f" and {self.gpu:g} GPU" if self.gpu else "")


@dataclass
class _Process:
    """A process of the cluster, and what it does."""

    handle: Any
    request: _Request
    ready: Any
    node: str = ""
    ships: bool = False
    cell: Cell | None = None
    ref: Any = None
    started: str = ""
    clock: float = field(default_factory=time.perf_counter)


class RayWorkers:
    """Runs a grid's cells in long-lived processes of a Ray cluster.

    A process (an actor, in Ray's words) holds its CPUs and its share of a GPU as long as the grid needs it, imports
    libraries once, and runs one cell after another. A cell whose process or machine is gone begins again elsewhere.

    Args:
        run_cell: Trains and tests one cell.
        command: What a person typed, for the results.
        jobs: Cells at a time, or `auto`.
        cells: The cells to run.
        ship: Send results back even where the nodes see the grid's folder.
        console: Where a warning goes.
        own: Whether the cluster is this machine alone, which cannot grow.
    """

    def __init__(
        self,
        run_cell: RunCell,
        command: str,
        jobs: Jobs,
        cells: Sequence[Cell],
        ship: bool,
        console: Console,
        own: bool,
    ) -> None:
        ray = check_ray()

        self._command, self._jobs, self._own = command, jobs, own
        self._has_gpus = ray.cluster_resources().get("GPU", 0) > 0
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        if "ADAPT_DATA" in environment:
            environment["ADAPT_DATA"] = str(Path(environment["ADAPT_DATA"]).absolute())
        out = cells[0].directory.parents[2].absolute()
        self._home = Home(Path.cwd(), out, uuid.uuid4().hex, ship, environment)
        self._run_cell: bytes = ray.cloudpickle.dumps(run_cell)
        self._processes: list[_Process] = []
        self._again: list[Cell] = []
        self._losses: Counter[Key] = Counter()
        self._stillborn = 0
        self._notes: list[Event] = []
        for request in {self._request(cell) for cell in cells}:
            if not self._capacity(request):
                lacking = f"No node of the Ray cluster has {request} for a cell"
                if own:
                    raise AdaptError(f"{lacking}: ask for less under `resources` in the benchmark's file.")
                console.print(f"{lacking}; its cells wait until one joins.", highlight=False, soft_wrap=True)
        self.slots = max(1, self._limit(self._request(cells[0])))
        self._home.announce()

    def take(self, ready: Sequence[Cell]) -> list[Cell]:
        """Those for which there is a process; others are asked for."""
        taken: list[Cell] = []
        unmet: Counter[_Request] = Counter()
        for cell in (*self._again, *ready):
            request = self._request(cell)
            idle = (p for p in self._processes if p.node and p.cell is None and p.request == request)
            if (process := next(idle, None)) is None:
                unmet[request] += 1
                continue
            self._hand_over(cell, process)
            taken.append(cell)
        begun = {key_of(cell) for cell in taken}
        lost = {key_of(cell) for cell in self._again}
        self._again = [cell for cell in self._again if key_of(cell) not in begun]
        for process in [p for p in self._processes if p.node and p.cell is None and p.request not in unmet and unmet]:
            # It holds what the others wait for.
            self._end(process)
        for request, number in unmet.items():
            same = [process for process in self._processes if process.request == request]
            coming = len([process for process in same if not process.node])
            room = self._limit(request) - len(same if self._jobs == "auto" else self._processes)
            for _ in range(min(number - coming, room)):
                self._start(request)
        return [cell for cell in taken if key_of(cell) not in lost]

    def running(self) -> list[Cell]:
        """Cells in processes, and those that have lost theirs."""
        return [process.cell for process in self._processes if process.cell is not None] + self._again

    def events(self) -> Iterator[Event]:
        """Wait until a process is ready, a cell ends or something is lost; at most some seconds."""
        ray = check_ray()

        notes, self._notes = self._notes, []
        yield from notes
        waiting = {p.ref if p.cell is not None else p.ready: p for p in self._processes if p.cell or not p.node}
        if not waiting:
            time.sleep(0.2)
            return
        done, _ = ray.wait(list(waiting), num_returns=1, timeout=_GLANCE_SECONDS)
        for ref in done:
            process = waiting[ref]
            if process.cell is None:
                self._welcome(process)
            else:
                yield from self._collect(process)

    def stop(self) -> None:
        """End the processes."""
        idle = not self.running()
        for process in list(self._processes):
            self._end(process)
        if idle:
            self._home.close()

    def _request(self, cell: Cell) -> _Request:
        gpu = cell.resources.gpu
        if gpu is None or (self._own and not self._has_gpus):
            return _Request(cell.resources.cpu or 1, float(self._has_gpus), False)
        return _Request(cell.resources.cpu or 1, gpu, gpu == 0)

    def _capacity(self, request: _Request) -> int:
        ray = check_ray()

        return sum(request.fits(node["Resources"]) for node in ray.nodes() if node["Alive"])

    def _limit(self, request: _Request) -> int:
        """How many processes there may be: the number that was asked for, on which a growing cluster can count."""
        return self._capacity(request) if self._jobs == "auto" else self._jobs

    def _start(self, request: _Request) -> None:
        ray = check_ray()

        made = ray.remote(CellRunner).options(
            num_cpus=request.cpu,
            num_gpus=request.gpu,
            max_restarts=0,
            scheduling_strategy="SPREAD",
            # Threads that wait spin by default, on processors that another cell could use.
            runtime_env={"env_vars": {"OMP_WAIT_POLICY": "PASSIVE"}},
        )
        handle = made.remote(self._home, self._run_cell, self._command, request.cpu, request.hide_gpus)
        self._processes.append(_Process(handle, request, handle.about.remote()))

    def _welcome(self, process: _Process) -> None:
        ray = check_ray()

        try:
            host, process.ships, node = ray.get(process.ready)
        except ray.exceptions.RayError as error:
            self._end(process)
            self._stillborn += 1
            if self._stillborn > RETRIES:
                raise AdaptError(
                    f"The Ray cluster's processes end before they run a cell: {_reason(error, -1)} Check that its "
                    "nodes have this version of adapt and of Python."
                ) from error
            return
        self._stillborn = 0
        others = [other["NodeManagerHostname"] for other in ray.nodes() if other["Alive"]]
        process.node = host if others.count(host) < 2 else f"{host}/{node[:6]}"

    def _hand_over(self, cell: Cell, process: _Process) -> None:
        ray = check_ray()

        start = start_of(cell) if process.ships else None
        sent = ray.put(Path(start).read_bytes()) if start is not None and Path(start).is_file() else None
        process.cell, process.started, process.clock = cell, utc_now(), time.perf_counter()
        process.ref = process.handle.run.remote(cell, self._losses[key_of(cell)] + 1, sent)
        self._notes.append(Started(cell, process.node))

    def _collect(self, process: _Process) -> Iterator[Event]:
        ray = check_ray()

        cell = process.cell
        assert cell is not None
        try:
            sent: Sent = ray.get(process.ref)
        except ray.exceptions.RayTaskError as error:
            process.cell = process.ref = None
            yield self._failed(cell, process, f"The cell could not be run on {process.node}: {_reason(error)}")
            return
        except ray.exceptions.RayError as error:
            self._end(process)
            self._losses[key_of(cell)] += 1
            if self._losses[key_of(cell)] > RETRIES:
                times = self._losses[key_of(cell)]
                yield self._failed(cell, process, f"Its process was lost {times} times: {_reason(error)}")
            else:
                self._again.append(cell)
                yield Lost(cell, process.node)
            return
        process.cell = process.ref = None
        if isinstance(sent.result, str):
            raise AdaptError(
                f"{process.node}: {sent.result} Free some there (TMPDIR chooses the disk where results are sent back); "
                "finished cells are kept, and the same command goes on."
            )
        if sent.files is not None:
            unpack(sent.files, cell)
        yield sent.result

    def _failed(self, cell: Cell, process: _Process, error: str) -> CellResult:
        if process.ships or not cell.directory.is_dir():
            prepare(cell)
        return failure(cell, error, "", time.perf_counter() - process.clock, self._command, process.started)

    def _end(self, process: _Process) -> None:
        ray = check_ray()

        self._processes.remove(process)
        process.cell = None
        with contextlib.suppress(Exception):  # whatever it is that is gone already
            ray.kill(process.handle)


def _reason(error: BaseException, line: int = 0) -> str:
    cause = getattr(error, "cause", None) or error
    lines = [line.strip() for line in str(cause).strip().splitlines() if line.strip()]
    said = lines[line] if lines else type(cause).__name__
    return f"{said.rstrip('.'):.300}."


def _quieten() -> None:
    """Keep what Ray prints by itself off the terminal: its processes' last words fill pages, and the grid says more."""
    from ray._private import worker

    worker.print_to_stdstream = lambda data, ignore_prefix: None
