"""From results to what they say: estimates, tests, ranks, the cost of selection. Imports results, never outputs."""

from adapt.benchmark.statistics.analysis import Analysis, Planned, analyse, read_analysis
from adapt.benchmark.statistics.estimates import Estimate, Summary, half_width, rules_of, summarise

__all__ = [
    "Analysis",
    "Estimate",
    "Planned",
    "Summary",
    "analyse",
    "half_width",
    "read_analysis",
    "rules_of",
    "summarise",
]
