"""One grid at a time in one directory."""

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from adapt.errors import AdaptError

LOCK_FILE = ".grid.lock"


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold a directory, which is created if need be.

    A lock whose process no longer lives on this machine is stale and taken over.

    Raises:
        AdaptError: When the directory cannot be written, or another grid holds it.
    """
    path = directory / LOCK_FILE
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _remove_stale(path)
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    except FileExistsError as error:
        if directory.exists() and not directory.is_dir():
            raise AdaptError(
                f"Expected a folder for results at {directory}, found a file; choose another --out."
            ) from error
        raise AdaptError(_holder_message(path)) from error
    except OSError as error:
        raise AdaptError(f"Cannot write results into {directory} ({error.strerror}); choose another --out.") from error
    try:
        with os.fdopen(handle, "w") as file:
            json.dump({"pid": os.getpid(), "host": socket.gethostname()}, file)
        yield
    finally:
        path.unlink(missing_ok=True)


def _remove_stale(path: Path) -> None:
    holder = _holder(path)
    if holder is None:
        return
    pid, host = holder
    # In a fresh container the same small pid comes again: our own pid in a lock that we do not hold is an old one.
    if host == socket.gethostname() and (pid == os.getpid() or not _alive(pid)):
        path.unlink(missing_ok=True)


def _holder(path: Path) -> tuple[int, str] | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return int(content["pid"]), str(content["host"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _holder_message(path: Path) -> str:
    holder = _holder(path)
    who = f"process {holder[0]} on {holder[1]}" if holder else "an unknown process"
    return f"Another grid ({who}) runs in {path.parent}: wait, choose another --out, or delete {path} if it is gone."


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
