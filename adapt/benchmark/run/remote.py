"""A cell on another machine: in the grid's own folder where the machine sees it, else in a folder that is sent back."""

import contextlib
import io
import os
import pickle
import shutil
import socket
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from adapt.benchmark.plan.merging import merge
from adapt.benchmark.plan.plan import Cell
from adapt.benchmark.results.results import RESULT_FILE, CellResult, read_result
from adapt.benchmark.run.disk import DiskFullError
from adapt.benchmark.run.folders import prepare
from adapt.benchmark.run.machine import limit_threads
from adapt.benchmark.run.workers import LOG_FILE, execute
from adapt.benchmark.vocabulary import CELL_FILE
from adapt.errors import AdaptError
from adapt.files import write_atomically
from adapt.paths import make_importable
from adapt.training.run_folder import CONFIG_FILE

RUNNING_FOLDER = ".running"
"""In a grid's folder while it runs: what shows other machines that they see it, and a lock for each cell."""

_TOKEN = "grid"
# A process whose machine was given up may go on for some seconds; the cell must not begin beside it.
_WAIT_SECONDS = 600.0


@dataclass(frozen=True)
class Home:
    """Where a grid belongs.

    Attributes:
        folder: The folder that its command was typed in, where relative paths begin and own modules are found.
        out: The folder of its results.
        token: What a machine reads in `out` if it sees that folder.
        ship: Send results back even so.
        environment: Variables for machines that do not set them themselves.
    """

    folder: Path
    out: Path
    token: str
    ship: bool
    environment: Mapping[str, str]

    def announce(self) -> None:
        """Let other machines find the folder."""
        write_atomically(self.out / RUNNING_FOLDER / _TOKEN, self.token)

    def close(self) -> None:
        """Take away what only a running grid needs."""
        shutil.rmtree(self.out / RUNNING_FOLDER, ignore_errors=True)

    def here(self) -> bool:
        """Whether this machine sees the same files."""
        try:
            return (self.out / RUNNING_FOLDER / _TOKEN).read_text(encoding="utf-8") == self.token
        except OSError:
            return False


@dataclass(frozen=True)
class Sent:
    """What comes back of a cell.

    Attributes:
        result: Its result; the message where there was no space for its files.
        files: Its folder as a zip file, where the grid does not see that folder.
    """

    result: CellResult | str
    files: bytes | None = None


class CellRunner:
    """A process on some machine that runs one cell after another, so that libraries are imported once.

    Args:
        home: Where the grid belongs.
        run_cell: The pickled function that trains and tests one cell.
        command: What a person typed.
        threads: CPU threads of a cell.
        hide_gpus: Whether cells see no GPU.
    """

    def __init__(self, home: Home, run_cell: bytes, command: str, threads: int, hide_gpus: bool) -> None:
        if hide_gpus:
            os.environ["CUDA_VISIBLE_DEVICES"] = ""
        for name, value in home.environment.items():
            os.environ.setdefault(name, value)
        self._home, self._command = home, command
        self._ships = home.ship or not (home.here() and home.folder.is_dir())
        if home.folder.is_dir():
            os.chdir(home.folder)
            make_importable(home.folder)
        self._run_cell = pickle.loads(run_cell)
        limit_threads(threads)

    def about(self) -> tuple[str, bool, str]:
        """The machine's name, whether what runs here has to be sent to and fro, and Ray's name of the machine."""
        import ray

        return socket.gethostname(), self._ships, ray.get_runtime_context().get_node_id()

    def run(self, cell: Cell, attempt: int, start: bytes | None) -> Sent:
        """Run a cell.

        Args:
            cell: What to run, as the grid knows it.
            attempt: 1 for the first; a later one may find the result of one that died after writing it.
            start: The checkpoint that it starts from, for a machine that does not see the grid's folder.
        """
        try:
            return self._ship(cell, start) if self._ships else Sent(self._in_place(cell, attempt))
        except DiskFullError as error:
            return Sent(str(error))
        except KeyboardInterrupt:
            # The machine is going away: the cell belongs to another one.
            os._exit(1)

    def _in_place(self, cell: Cell, attempt: int) -> CellResult:
        with _alone(self._home.out, cell):
            if attempt > 1 and (done := _finished(cell)) is not None:
                return done
            prepare(cell)
            with _printing_into(cell.directory / LOG_FILE):
                return execute(cell, self._run_cell, self._command)

    def _ship(self, cell: Cell, start: bytes | None) -> Sent:
        with tempfile.TemporaryDirectory(prefix="adapt-", ignore_cleanup_errors=True) as folder:
            scratch = Path(folder).resolve() / "out"
            local = replace(cell, directory=scratch.joinpath(*cell.directory.parts[-3:]))
            if start is not None:
                checkpoint = Path(folder).resolve() / "start.ckpt"
                checkpoint.write_bytes(start)
                local = replace(local, config=merge(cell.config, starting_from(checkpoint)))
            prepare(local)
            with _printing_into(local.directory / LOG_FILE):
                result = execute(local, self._run_cell, self._command)
            config = local.directory / CONFIG_FILE
            if config.is_file():
                text = config.read_text(encoding="utf-8")
                for there, here in ((str(scratch), str(self._home.out)), _start_paths(local, cell)):
                    text = text.replace(there, here)
                config.write_text(text, encoding="utf-8")
            return Sent(replace(result, directory=cell.directory), pack(local.directory))


def starting_from(checkpoint: Path) -> dict[str, Any]:
    """The part of a configuration that says what a run starts from."""
    return {"model": {"init_args": {"init_from": str(checkpoint)}}}


def start_of(cell: Cell) -> str | None:
    """The checkpoint in a cell's configuration that it starts from, if any."""
    model = cell.config.get("model")
    options = model.get("init_args") if isinstance(model, Mapping) else None
    found = options.get("init_from") if isinstance(options, Mapping) else None
    return found if isinstance(found, str) else None


def _start_paths(local: Cell, cell: Cell) -> tuple[str, str]:
    there, here = start_of(local), start_of(cell)
    return (there, str(Path(here).absolute())) if there and here else ("\0", "")


def pack(folder: Path) -> bytes:
    """A folder's files as a zip file, without compression: most of it is weights."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            archive.write(path, path.relative_to(folder).as_posix())
    return written.getvalue()


def unpack(files: bytes, cell: Cell) -> None:
    """Write a cell's files where the grid keeps them, the result last: half of them are a cell that never ran."""
    prepare(cell)
    with zipfile.ZipFile(io.BytesIO(files)) as archive:
        for name in archive.namelist():
            if name not in (CELL_FILE, RESULT_FILE):
                archive.extract(name, cell.directory)
        write_atomically(cell.directory / RESULT_FILE, archive.read(RESULT_FILE))


def _finished(cell: Cell) -> CellResult | None:
    try:
        found = read_result(cell.directory / RESULT_FILE)
    except AdaptError:
        return None
    return found if found.config_hash == cell.config_hash and found.status == "ok" else None


@contextlib.contextmanager
def _alone(out: Path, cell: Cell) -> Iterator[None]:
    """Hold a cell's folder; whoever ran the cell before lets it go when its process is gone."""
    lock = FileLock(out / RUNNING_FOLDER / f"{'-'.join(cell.directory.parts[-3:])}.lock", mode=0o644)
    try:
        lock.acquire(timeout=_WAIT_SECONDS, poll_interval=0.2)
    except Timeout as error:
        raise AdaptError(
            f"Another process still runs {cell.name} after {_WAIT_SECONDS / 60:.0f} minutes; end it, and run the grid "
            "again."
        ) from error
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def _printing_into(path: Path) -> Iterator[None]:
    """What a cell and its own processes print goes into a file."""
    kept = [os.dup(1), os.dup(2)]
    try:
        with path.open("a", encoding="utf-8") as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        for number, before in enumerate(kept, 1):
            os.dup2(before, number)
            os.close(before)
