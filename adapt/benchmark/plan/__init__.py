"""A benchmark's YAML files become cells. Imports vocabulary, and of training the tracking modes."""

from adapt.benchmark.plan.plan import Cell, Plan, read_plan

__all__ = ["Cell", "Plan", "read_plan"]
