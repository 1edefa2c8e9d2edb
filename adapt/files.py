"""Write files so that a crash, Ctrl-C or a full disk keeps the old ones intact."""

import contextlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from adapt.errors import AdaptError


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


def refuse_taken(output: Path, option: str, inputs: Iterable[Path], start: bytes | None, what: str) -> None:
    """Refuse an output that would take the place of an input, or of a file that is none of its kind.

    Args:
        output: The file to write.
        option: What a person names it by.
        inputs: The files that the command reads.
        start: What each file of its kind begins with; None where any file may be replaced but the inputs.
        what: Its kind, in words.

    Raises:
        AdaptError: It would, or it is a device.
    """
    above = output.absolute().parents
    if Path("/dev") in above and Path("/dev/shm") not in above:  # which holds ordinary files, in memory
        raise AdaptError(f"Expected {option} with the name of a file, found the device {output}.")
    if not output.is_file():
        return
    if any(each.exists() and output.samefile(each) for each in inputs):
        found = "which the command reads"
    elif start is not None and not _begins(output, start):
        found = f"a file that is no {what}"
    else:
        return
    raise AdaptError(f"Expected {option} with the name of a new file, found {output}, {found}. Give another name.")


def _begins(path: Path, start: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(start)) in (b"", start)


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
