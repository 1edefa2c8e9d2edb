"""Write files so that a crash, Ctrl-C or a full disk keeps the old ones intact."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path


def write_atomically(path: Path, content: str | bytes) -> None:
    """Replace a file atomically: a reader finds the old content or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name:.40}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files that only their owner can read, but results are for everybody.
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise


@contextlib.contextmanager
def replacing(directory: Path) -> Iterator[Path]:
    """An empty folder; its files replace those of the same name below `directory`, unless an error is raised."""
    with tempfile.TemporaryDirectory(dir=directory, prefix=".draft-") as name:
        draft = Path(name)
        yield draft
        for path in sorted(path for path in draft.rglob("*") if path.is_file()):
            target = directory / path.relative_to(draft)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
