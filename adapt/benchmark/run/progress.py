"""How a running grid looks: a bar on a terminal, a line per cell elsewhere."""

import time
from collections import defaultdict
from collections.abc import Iterable
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.text import Text

from adapt.benchmark.plan.plan import Cell
from adapt.benchmark.results.results import CellResult
from adapt.measures import ACCURACY


class GridProgress:
    """Shows cells done, running and failed, the names of the running ones, and the time left.

    Args:
        console: Where to; a terminal gets a bar, anything else one line per finished cell.
        cells: All cells of the grid.
        known: Results of cells that need not run again.
        jobs: Cells that run at the same time.
    """

    def __init__(self, console: Console, cells: Iterable[Cell], known: Iterable[CellResult], jobs: int) -> None:
        self.console, self.jobs = console, jobs
        self.left = {(cell.task, cell.method, cell.seed): cell for cell in cells}
        self.total, self.done, self.failed = len(self.left), 0, 0
        self.running: dict[str, float] = {}
        self._nodes: dict[str, str] = {}
        self._seconds: dict[str, list[float]] = defaultdict(list)
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("cells {task.completed:.0f}/{task.total:.0f}"),
            BarColumn(bar_width=24),
            TextColumn("{task.description}"),
            _TimeLeft(self),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=self.total)
        for result in known:
            self._count(result)
        self._update()

    def __enter__(self) -> "GridProgress":
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def start(self, cell: Cell, node: str = "") -> None:
        """A cell begins, on this machine or on another one."""
        self.running[cell.name] = time.perf_counter()
        self._nodes[cell.name] = node
        # A cluster may have grown since the grid began.
        self.jobs = max(self.jobs, len(self.running))
        self._update()

    def lost(self, cell: Cell, node: str) -> None:
        """What ran a cell is gone, and the cell has to begin again."""
        self.running.pop(cell.name, None)
        self._update()
        self._say(f"lost {cell.name} with its process on {node}; it runs again")

    def finish(self, result: CellResult) -> None:
        """A cell has a result."""
        self.running.pop(result.name, None)
        node = self._nodes.pop(result.name, "")
        self._count(result)
        self._update()
        if not self.console.is_terminal or result.status != "ok":
            self._say(f"{self.done}/{self.total} {describe(result)}" + (f" on {node}" if node else ""))

    def seconds_left(self) -> float | None:
        """Mean duration of each method's cells so far, summed over what is left and shared by the jobs."""
        every = [seconds for durations in self._seconds.values() for seconds in durations]
        if not every:
            return None
        overall = sum(every) / len(every)
        expected = 0.0
        for cell in self.left.values():
            own = self._seconds.get(cell.method)
            mean = sum(own) / len(own) if own else overall
            spent = time.perf_counter() - self.running[cell.name] if cell.name in self.running else 0.0
            expected += max(0.0, mean - spent)
        return expected / max(1, min(self.jobs, len(self.left)))

    def _say(self, line: str) -> None:
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _count(self, result: CellResult) -> None:
        self.left.pop((result.task, result.method, result.seed), None)
        self.done += 1
        self.failed += result.status != "ok"
        if result.status == "ok":
            self._seconds[result.method].append(result.wall_seconds)

    def _update(self) -> None:
        names = ", ".join(name + (f" on {self._nodes[name]}" if self._nodes[name] else "") for name in self.running)
        text = f"{len(self.running)} running · {self.failed} failed" + (f" · {escape(names)}" if names else "")
        self._bar.update(self._task, completed=self.done, description=text)


class _TimeLeft(ProgressColumn):
    def __init__(self, grid: GridProgress) -> None:
        super().__init__()
        self.grid = grid

    def render(self, task: Task) -> Text:
        seconds = self.grid.seconds_left()
        return Text("" if seconds is None else f"{duration(seconds)} left", style="cyan")


def describe(result: CellResult) -> str:
    """One line: `ok optdigits → photo / DANN / seed 0: target 0.912 (12 s)`."""
    if result.status != "ok":
        # The last line of an error often says most.
        reason = " ".join((result.error or "").split()) or "no reason known"
        return f"{result.status} {result.name}: {reason:.400}"
    value = result.value("last")
    if value is None:
        value = result.value(result.rows[0]["rule"])
    if value is None:
        return f"ok {result.name}: no target labels ({duration(result.wall_seconds)})"
    metric = "" if result.measures[0] == ACCURACY else f" {result.measures[0].words}"
    return f"ok {result.name}: target{metric} {value:.3f} ({duration(result.wall_seconds)})"


def duration(seconds: float) -> str:
    """`12 s`, `3 min 05 s` or `2 h 10 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
