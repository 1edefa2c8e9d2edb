"""From a grid of tasks, methods and seeds to results, statistics, tables and a page."""

from adapt.benchmark.comparison import log_comparison
from adapt.benchmark.grid import run_grid
from adapt.benchmark.plan import Cell, read_plan
from adapt.benchmark.report import build_report
from adapt.benchmark.results import CellResult, Row, read_results
from adapt.benchmark.statistics import summarise

__all__ = ["Cell", "CellResult", "Row", "build_report", "log_comparison", "read_plan", "read_results", "run_grid"]
__all__ += ["summarise"]
