"""What changed between two grids, as a table and in sentences."""

from adapt.benchmark.outputs.cautions import transductive
from adapt.benchmark.outputs.table import Entry, Table, unit_of
from adapt.benchmark.outputs.tables.significance import COMPARISON_COLUMNS, comparison_entries, comparison_notes
from adapt.benchmark.outputs.words import labels_used, measured, rule_name
from adapt.benchmark.statistics.changes import Changes


def changes_table(changes: Changes) -> Table:
    """A row per method: the metric in both grids, and the paired change."""
    rows, measure = [], changes.measure
    for c in changes.comparisons:
        means = changes.means.get(c.method)
        both = [Entry()] * 2 if means is None else [Entry(mean, unit_of(measure)) for mean in means]
        rows.append((c.method, labels_used(changes.settings[c.method]), (*both, *comparison_entries(c, measure))))
    change = " in points" if measure.share else ""
    change += "" if measure.higher else " (positive: lower, so better)"
    caption = (
        f"Target test {measured(measure)}, and its change from A to B{change}, over {changes.matched} cells paired by "
        f"task, method and seed. Model selection: {rule_name(changes.rule, changes.headline)}."
    )
    return Table(caption, ("A", "B", *COMPARISON_COLUMNS), tuple(rows), tuple(comparison_notes(changes.comparisons)))


def changes_sentences(changes: Changes) -> list[str]:
    """Everything beside the numbers: what differs, and what does not."""
    empty = "Nothing to compare: no cell has a value in both, as where the target has no labels."
    return [
        *([] if any(c.n for c in changes.comparisons) else [empty]),
        *transductive(changes.transductive, changes.tasks),
        *(changes.configurations or ["The configurations are equal."]),
        *(changes.surroundings or ["Commit, device, threads and versions are equal."]),
        *changes.outcomes,
        *(changes.alone or ["Both have the same cells."]),
    ]
