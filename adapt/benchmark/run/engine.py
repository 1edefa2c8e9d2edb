"""What a grid asks of whatever runs its cells: this process, processes beside it, or a Ray cluster."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from adapt.benchmark.plan.plan import Cell
from adapt.benchmark.results.results import CellResult, Row, Tested
from adapt.benchmark.run.machine import Jobs

RunCell = Callable[[Cell], Tested | list[Row]]
"""Trains and tests a cell; rows alone hold accuracy."""

Key = tuple[str, str, int]


def key_of(cell: Cell | CellResult) -> Key:
    """What tells a cell from all others of its grid."""
    return cell.task, cell.method, cell.seed


@dataclass(frozen=True)
class Started:
    """A cell began.

    Attributes:
        cell: The cell.
        node: The machine that it runs on; empty where there is but this one.
    """

    cell: Cell
    node: str = ""


@dataclass(frozen=True)
class Lost:
    """The process or the machine of a cell is gone; the cell runs again."""

    cell: Cell
    node: str


Event = Started | Lost | CellResult


class Engine(Protocol):
    """Runs cells, in whatever order it is offered them, and writes each one's result into the cell's folder.

    Attributes:
        slots: How many run side by side, as far as is known when it begins.
    """

    slots: int

    def take(self, ready: Sequence[Cell]) -> list[Cell]:
        """Those of some cells that it now runs; each cell's start has finished.

        Args:
            ready: Cells in the order of the plan.
        """
        ...

    def running(self) -> list[Cell]:
        """Cells that it took and that have no result yet."""
        ...

    def events(self) -> Iterator[Event]:
        """What happened; waits for something while cells run, and for nothing while none does."""
        ...

    def stop(self) -> None:
        """End what runs; no result is written after that."""
        ...


MakeEngine = Callable[[RunCell, str, Jobs, Sequence[Cell]], Engine]
"""Makes an engine for one grid: how a cell runs, what a person typed, cells at a time, and the cells to run."""
