"""From a grid of tasks, methods and seeds to results, statistics, tables and a page."""

from adapt.benchmark.outputs.files import Output, build_report
from adapt.benchmark.outputs.wandb_runs import log_comparison
from adapt.benchmark.plan.plan import Cell, read_plan
from adapt.benchmark.results.results import CellResult, Row, read_results
from adapt.benchmark.run.grid import run_grid
from adapt.benchmark.statistics import Analysis, analyse, read_analysis, summarise

__all__ = [
    "Analysis",
    "Cell",
    "CellResult",
    "Output",
    "Row",
    "analyse",
    "build_report",
    "log_comparison",
    "read_analysis",
    "read_plan",
    "read_results",
    "run_grid",
    "summarise",
]
