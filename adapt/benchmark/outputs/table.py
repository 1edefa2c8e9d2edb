"""A table whose entries keep what is known of each number; how they look is the renderers' part."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from adapt.benchmark.statistics.estimates import FEWEST_SEEDS, Estimate, NegativeTransfer
from adapt.measures import ACCURACY, Measure

Value = str | float | int | None
Rank = Literal["best", "second", ""]
Unit = Literal["text", "percent", "points", "signed points", "number", "signed number", "ratio", "signed ratio", "p"]

MISSING = "–"

_SYMBOLS: dict[str, str] = {"apart": "↓", "one seed": "↓?", "two seeds": "↓?", "worse": "↓"}


@dataclass(frozen=True)
class Entry:
    """One entry of a table.

    Attributes:
        value: The number, shares in [0, 1], or a text; None where there is nothing.
        unit: How the number is written.
        ci: Half-width of its interval.
        interval: The interval itself, where it is not as wide on both sides.
        rank: Whether it is one of the best of its column.
        mark: Whether it is negative transfer, or worse by a test.
        n: Seeds that it is over, where those are fewer than all.
        failed: Runs that failed, and how many there are in all.
        aside: What else has to be said beside it.
        record: The line of a CSV file that it stands for, if any.
    """

    value: Value = None
    unit: Unit = "text"
    ci: float | None = None
    interval: tuple[float, float] | None = None
    rank: Rank = ""
    mark: NegativeTransfer | Literal["worse"] | None = None
    n: int | None = None
    failed: tuple[int, int] | None = None
    aside: str = ""
    record: Mapping[str, Value] = field(default_factory=dict)

    @property
    def number(self) -> str:
        """The value with its interval."""
        if self.value is None:
            return self._failed or MISSING
        digits = self._digits
        if self.ci is not None:
            return f"{_written(self.value, self.unit, digits)} ± {_written(self.ci, self.unit, digits, '')}"
        if self.interval is not None:
            low, high = (_written(bound, self.unit, digits) for bound in self.interval)
            return f"{_written(self.value, self.unit, digits)} [{low}, {high}]"
        return _written(self.value, self.unit, digits)

    @property
    def notes(self) -> str:
        """What has to be said beside the number."""
        few = "" if self.n is None else f"(n = {self.n})"
        failed = self._failed if self.value is not None else ""
        return " ".join(filter(None, [_SYMBOLS.get(self.mark or ""), few, failed, self.aside]))

    @property
    def bounds(self) -> tuple[float, float]:
        """The ends of its interval; without one the value itself."""
        value = float(self.value or 0.0)
        return self.interval or (value - (self.ci or 0.0), value + (self.ci or 0.0))

    @property
    def plain(self) -> str:
        """The entry without emphasis."""
        return f"{self.number} {self.notes}".strip()

    @property
    def shown(self) -> float:
        """The value as far as it is shown."""
        value = float(self.value or 0.0)
        return round(100 * value, 1) if self.unit in ("percent", "points") else round(value, self._digits)

    @property
    def _digits(self) -> int:
        # Three digits of the largest number in the entry.
        found = [self.value, self.ci, *(self.interval or ())]
        largest = max((abs(n) for n in found if isinstance(n, int | float)), default=0.0)
        return min(6, max(0, 2 - math.floor(math.log10(largest)))) if largest > 0 else 1

    @property
    def _failed(self) -> str:
        return "" if self.failed is None else f"failed ({self.failed[0]} of {self.failed[1]})"


Row = tuple[str, str, tuple[Entry, ...]]


@dataclass(frozen=True)
class Table:
    """A table with a row per method, or per rule.

    Attributes:
        caption: What the numbers are.
        columns: Headings of the entries.
        rows: Method, the target labels that it trains on, and an entry per column.
        notes: Sentences that explain the marks in the table.
        head: Headings of what a row starts with.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    head: tuple[str, str] = ("Method", "Target labels")

    @property
    def entries(self) -> list[Entry]:
        """All entries, row by row."""
        return [entry for _, _, entries in self.rows for entry in entries]


def accuracy(
    estimate: Estimate | None,
    seeds: int,
    rank: Rank = "",
    record: Mapping[str, Value] | None = None,
    *,
    average: bool = False,
    unit: Unit = "percent",
) -> Entry:
    """An estimate as an entry.

    Args:
        estimate: The estimate, if there is one.
        seeds: Seeds of the grid; an estimate of fewer says of how many.
        rank: Emphasis.
        record: The line of a CSV file that it stands for.
        average: Whether it is over tasks: then failures are of tasks, and the seeds in it say enough about them.
        unit: Percent, or points where it is a difference; a number where the metric is no share.
    """
    if estimate is None:
        return Entry()
    failed = None if average or not estimate.n_failed else (estimate.n_failed, seeds)
    few = estimate.mean is not None and estimate.n + (failed or (0, 0))[0] < seeds
    return Entry(
        value=estimate.mean,
        unit=unit,
        ci=estimate.ci if estimate.even else None,
        interval=None if estimate.even else estimate.interval,
        rank=rank if estimate.mean is not None else "",
        mark=estimate.negative if estimate.mean is not None else None,
        n=estimate.n if few else None,
        failed=failed,
        record=record or {},
    )


def bracket_notes(estimates: Iterable[Estimate], seeds: int = 0) -> list[str]:
    """What brackets are, where the caption does not say so already.

    Args:
        estimates: What a table shows.
        seeds: Seeds of the grid; of two of them the caption speaks.
    """
    kinds = {estimate.n for estimate in estimates if estimate.interval is not None and not estimate.even}
    two, cut = 2 in kinds and seeds != FEWEST_SEEDS - 1, any(n >= FEWEST_SEEDS for n in kinds)
    words = [*(["the range of two seeds"] if two else []), *(["a 95% interval cut where values end"] if cut else [])]
    return [f"In brackets: {', or '.join(words)}."] if words else []


def below_note(estimates: Iterable[Estimate], under: str = "", measure: Measure = ACCURACY) -> list[str]:
    """What the arrows of negative transfer mean, where there are any."""
    below = "below" if measure.higher else "above"
    kinds = {estimate.negative for estimate in estimates}
    few = {"one seed": "one seed", "two seeds": "the ranges of two seeds"}
    found = [words for kind, words in few.items() if kind in kinds]
    return [
        *(
            [f"↓ negative transfer: {below} source-only{under}, with the 95% intervals apart."]
            if "apart" in kinds
            else []
        ),
        *([f"↓? {below} source-only{under}, by {' or '.join(found)} alone."] if found else []),
    ]


def over(seeds: Sequence[int], named: bool = True) -> str:
    """What stands beside a mean, and over how many seeds."""
    count, names = len(seeds), f": {', '.join(map(str, seeds))}" if named else ""
    if count == 1:
        return f"one seed{f' ({seeds[0]})' if named else ''}, no interval"
    if count < FEWEST_SEEDS:
        return f"mean [range of {count} seeds{names}]"
    return f"mean ± 95% interval (Student t over {count} seeds{names})"


def lines(tables: Iterable[Table], columns: Sequence[str]) -> list[list[Value]]:
    """What tables hold as lines of numbers: one per entry that stands for a line, under the given columns."""
    return [
        [entry.record.get(column) for column in columns] for table in tables for entry in table.entries if entry.record
    ]


def unit_of(measure: Measure, kind: Literal["value", "difference", "gain"] = "value") -> Unit:
    """How a metric is written: its value, a difference of two, or one that always has a sign."""
    if kind == "value":
        return "percent" if measure.share else "number"
    if kind == "difference":
        return "points" if measure.share else "number"
    return "signed points" if measure.share else "signed number"


def points(difference: Estimate, measure: Measure = ACCURACY) -> str:
    """A difference of a metric, shares in points, with its interval."""
    return accuracy(difference, 0, unit=unit_of(measure, "difference")).number


def p_value(p: float) -> str:
    """A p as a table shows it."""
    return "< 0.0001" if p < 0.0001 else f"{p:.4f}" if p < 0.01 else f"{p:.3f}"


def _written(value: str | float, unit: Unit, digits: int, sign: str | None = None) -> str:
    if isinstance(value, str) or unit == "text":
        return str(value)
    if unit == "p":
        return p_value(value)
    if sign is None:
        sign = "+" if unit.startswith("signed") else ""
    if unit in ("ratio", "signed ratio"):
        return f"{value:{sign}.2f}"
    if unit in ("number", "signed number"):
        return f"{round(value, digits) + 0.0:{sign}.{digits}f}"
    # Adding zero takes the minus from a rounded zero.
    return f"{round(100 * value, 1) + 0.0:{sign}.1f}"
