"""One grid at a time in one directory."""

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from adapt.errors import AdaptError
from adapt.files import write_atomically

LOCK_FILE, HOLDER_FILE = ".grid.lock", ".grid.holder"


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold a directory, which is created if need be.

    The operating system holds the lock and lets it go when the process ends, however it ends: no lock is stale. Two
    machines see each other's lock only where their shared file system passes locks on, as NFS does from version 4.

    Raises:
        AdaptError: When the directory cannot be written, or another grid holds it.
    """
    lock = FileLock(directory / LOCK_FILE, timeout=0, mode=0o644)
    holder = directory / HOLDER_FILE
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise AdaptError(
            f"Another grid ({_who(holder)}) runs in {directory}: wait until it ends, stop it, or choose another --out."
        ) from error
    except FileExistsError as error:
        raise AdaptError(
            f"Expected a folder for results at {directory}, found a file; choose another --out."
        ) from error
    except (OSError, NotImplementedError) as error:
        reason = getattr(error, "strerror", None) or error
        raise AdaptError(f"Cannot write results into {directory} ({reason}); choose another --out.") from error
    try:
        with contextlib.suppress(OSError):  # a name for the others' message, not worth a grid
            write_atomically(holder, json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
        yield
    finally:
        with contextlib.suppress(OSError):
            holder.unlink()
        lock.release()


def _who(holder: Path) -> str:
    # The holder writes its name after it has the lock: for an instant nobody knows it.
    try:
        content = json.loads(holder.read_text(encoding="utf-8"))
        return f"process {int(content['pid'])} on {content['host']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "an unknown process"
