"""The files of a streamed target beside its `result.json`: what happened batch by batch, and shift by shift."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from adapt.benchmark.results.metrics import csv_text
from adapt.files import write_atomically

STREAM_FILE, SHIFTS_FILE = "stream.csv", "shifts.csv"


@dataclass(frozen=True)
class Batch:
    """One batch of a stream.

    Attributes:
        samples: Samples that have come, this batch's included.
        shift: Name of the shift of its first sample.
        labelled: How many of its samples have a label.
        right: How many of these were predicted right.
        entropy: Mean entropy of its predictions, in nats.
        confidence: Mean probability of the predicted class.
    """

    samples: int
    shift: str
    labelled: int
    right: int
    entropy: float
    confidence: float


@dataclass(frozen=True)
class ShiftScore:
    """What was reached under one shift.

    Attributes:
        shift: Its name.
        samples: Its samples.
        labelled: How many of them have a label.
        right: How many of these were predicted right.
    """

    shift: str
    samples: int
    labelled: int
    right: int


def write_stream(folder: Path, batches: Sequence[Batch], shifts: Sequence[ShiftScore]) -> None:
    """Write both files."""
    columns = [field.name for field in fields(Batch)]
    rows = [[b.samples, b.shift, b.labelled, b.right, f"{b.entropy:.6f}", f"{b.confidence:.6f}"] for b in batches]
    write_atomically(folder / STREAM_FILE, csv_text(columns, rows))
    names = [field.name for field in fields(ShiftScore)]
    write_atomically(folder / SHIFTS_FILE, csv_text(names, [[getattr(s, name) for name in names] for s in shifts]))


def read_stream(folder: Path) -> list[Batch]:
    """The batches; none where there is no file, or a broken one."""
    try:
        with (folder / STREAM_FILE).open(newline="", encoding="utf-8") as file:
            return [
                Batch(
                    int(row["samples"]),
                    row["shift"],
                    int(row["labelled"]),
                    int(row["right"]),
                    float(row["entropy"]),
                    float(row["confidence"]),
                )
                for row in csv.DictReader(file)
            ]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def read_shifts(folder: Path) -> list[ShiftScore]:
    """The shifts; none where there is no file, or a broken one."""
    try:
        with (folder / SHIFTS_FILE).open(newline="", encoding="utf-8") as file:
            return [
                ShiftScore(row["shift"], int(row["samples"]), int(row["labelled"]), int(row["right"]))
                for row in csv.DictReader(file)
            ]
    except (OSError, ValueError, KeyError, TypeError):
        return []
