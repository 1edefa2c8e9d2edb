"""Tables as CSV text, and the CSV files of metrics that runs leave."""

import csv
import io
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[Any]], number: str = "") -> str:
    """A header and lines, with nothing between the commas where a value is None.

    A text that a spreadsheet would take for a formula gets an apostrophe before it, which shows it as it is.

    Args:
        columns: The header.
        rows: The lines' values.
        number: Format of the floats, such as `.6f`; by default all their digits.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_field(value, number) for value in row])
    return text.getvalue()


def _field(value: Any, number: str) -> Any:
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return format(value, number) if number and isinstance(value, float) else value


def metrics_file(directory: Path) -> Path:
    """Where a cell's folder holds its metrics; older ones keep them in a folder of the logger."""
    direct = directory / "metrics.csv"
    return direct if direct.exists() else next(iter(sorted(directory.rglob("metrics.csv"))), direct)


def read_metrics(path: Path) -> dict[str, dict[int, float]]:
    """Column → step → value, of the finite values in a metrics file as Lightning's CSVLogger writes it.

    Empty where the file is missing or broken: a half-read curve would be taken for a whole one.
    """
    metrics: dict[str, dict[int, float]] = {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                step = row.get("step")
                for column, text in row.items():
                    if step and text and math.isfinite(value := float(text)):
                        metrics.setdefault(column, {})[int(float(step))] = value
    except (OSError, ValueError, TypeError, csv.Error):
        return {}
    return metrics
