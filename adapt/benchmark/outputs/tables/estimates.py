"""What the methods' accuracy on the target is estimated at, without its labels."""

from collections.abc import Mapping, Sequence
from statistics import mean

from adapt.benchmark.outputs.table import Entry, Table, over
from adapt.benchmark.outputs.words import labels_used, rule_name
from adapt.benchmark.results.results import CellResult
from adapt.benchmark.statistics.analysis import Analysis
from adapt.benchmark.statistics.estimates import settings_of
from adapt.estimation import ESTIMATES, default_estimate, measured


def estimate_tables(analysis: Analysis) -> list[Table]:
    """A row per method and a column per task, where runs have estimates; the true accuracy beside, where it is known.

    Args:
        analysis: What it is taken from.
    """
    summary, name = analysis.leading, default_estimate()
    found: dict[tuple[str, str], list[tuple[float, float | None]]] = {}
    for result in (result for result in analysis.results if result.status == "ok"):
        if (value := estimates_of(result, summary.rule).get(name)) is not None:
            key = result.method, result.task
            found.setdefault(key, []).append((value, result.value(summary.rule, "accuracy")))
    if not found:
        return []
    # In the plan's order, as in the other tables; a method with no task that has labels is in no summary.
    tasks = tuple(task for task in analysis.tasks if any(t == task for _, t in found))
    known = dict.fromkeys((*summary.methods, *(result.method for result in analysis.results)))
    methods = [method for method in known if any(m == method for m, _ in found)]
    settings = settings_of(analysis.results)
    error = measured().get(name)
    spread_of = None if error is None else error.error / 100
    rows = tuple(
        (
            method,
            labels_used(settings[method]),
            tuple(_entry(found.get((method, task), []), spread_of) for task in tasks),
        )
        for method in methods
    )
    spread = (
        "its error was not measured"
        if error is None
        else f"± its mean error over {error.cells} runs whose accuracy is known; 9 in 10 were within {error.upper:.1f} "
        "points"
    )
    caption = (
        f"Estimated target test accuracy in %, without target labels ({ESTIMATES[name].words}; {spread}), "
        f"{over(summary.seeds)}. Model selection: {rule_name(summary.rule, summary.headline)}."
    )
    return [Table(caption, tasks, rows, ("In brackets: the accuracy that the labels give, where there are any.",))]


def estimates_of(result: CellResult, rule: str) -> Mapping[str, float]:
    """The estimates of a run under a selection rule; empty where it has none."""
    row = next((row for row in result.rows if row["rule"] == rule), {})
    return row.get("estimates") or {}


def _entry(values: Sequence[tuple[float, float | None]], error: float | None) -> Entry:
    if not values:
        return Entry()
    known = [truth for _, truth in values if truth is not None]
    aside = f"({100 * mean(known):.1f})" if known else ""
    return Entry(mean(value for value, _ in values), "percent", ci=error, aside=aside)
