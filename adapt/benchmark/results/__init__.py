"""What a cell left: rows, metrics over time, and where they came from. Imports vocabulary."""

from adapt.benchmark.results.results import CellResult, Row, read_results

__all__ = ["CellResult", "Row", "read_results"]
