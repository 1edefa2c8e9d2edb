"""The warnings of a run in its folder, and a sentence about several runs."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from adapt.errors import AdaptError
from adapt.files import write_atomically

WARNINGS_FILE = "warnings.jsonl"


class Warned(NamedTuple):
    """One warning.

    Attributes:
        step: Training steps so far.
        kind: Key of `adapt.monitor.SIGNS`.
        text: What was found, and what to try.
    """

    step: int
    kind: str
    text: str


def write_warnings(directory: Path, found: Iterable[Warned]) -> None:
    """Write a run's warnings, one JSON object per line; a run without warnings has no file."""
    lines = [json.dumps(warned._asdict(), ensure_ascii=False) + "\n" for warned in found]
    path = directory / WARNINGS_FILE
    if lines:
        write_atomically(path, "".join(lines))  # a report may read while a run writes
    else:
        path.unlink(missing_ok=True)


def warnings_of(directory: Path) -> tuple[Warned, ...]:
    """The warnings of the run in a folder, in order; empty if there are none.

    Raises:
        AdaptError: The file cannot be read.
    """
    path = directory / WARNINGS_FILE
    if not path.exists():
        return ()
    try:
        return tuple(Warned(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines())
    except (OSError, ValueError, TypeError) as error:
        raise AdaptError(
            f"{path} does not hold one warning per line ({type(error).__name__}: {error}). Delete it: only the "
            "report reads it."
        ) from error


def summary_of(runs: Sequence[Sequence[Warned]]) -> str:
    """One sentence with the number of runs that warned, in total and by kind; empty if none did."""
    count = sum(1 for run in runs if run)
    if not count:
        return ""
    kinds = Counter(kind for run in runs for kind in {warned.kind for warned in run})
    listed = ", ".join(f"{kind.replace('_', ' ')} ({number})" for kind, number in sorted(kinds.items()))
    return f"{count} of {len(runs)} cells warned while they trained: {listed}; see {WARNINGS_FILE} of each."
