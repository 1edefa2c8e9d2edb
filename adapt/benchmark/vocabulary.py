"""Names that every part of a benchmark shares; imports nothing."""

SOURCE_ONLY, TARGET_LABELS, UNSUPERVISED = "source-only", "target labels", "unsupervised"

AVERAGE = "Average"
"""The column over all tasks; no task may have its name."""

ORACLE = "oracle"
"""The rule that reads target labels; it stands apart from those that anyone could use."""

LAST = "last"
"""The end of training, the rule that looks at nothing."""

DEFAULT_RULE = "information_maximisation"
"""Picks where nobody named a rule."""

TRIALS_FOLDER = "search"
"""Where a benchmark keeps the trials of its search; no task may have its name."""

CELL_FILE, PLAN_FILE, SEARCH_FILE = "cell.yaml", "plan.json", "search.json"
CHOICE_FILE = "choice.json"


def count(number: int, noun: str) -> str:
    """A number and its noun."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
