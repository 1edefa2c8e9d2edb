"""What changed between two grids, as a table and in sentences."""

from adapt.benchmark.outputs.table import Entry, Table
from adapt.benchmark.outputs.tables.significance import COMPARISON_COLUMNS, comparison_entries, comparison_notes
from adapt.benchmark.outputs.words import labels_used, rule_name
from adapt.benchmark.statistics.changes import Changes


def changes_table(changes: Changes) -> Table:
    """A row per method: accuracies in both grids, and the paired change."""
    rows = []
    for c in changes.comparisons:
        means = changes.means.get(c.method)
        accuracy = [Entry()] * 2 if means is None else [Entry(mean, "percent") for mean in means]
        rows.append((c.method, labels_used(changes.settings[c.method]), (*accuracy, *comparison_entries(c))))
    caption = (
        f"Target test accuracy in %, and its change from A to B in points, over {changes.matched} cells paired by "
        f"task, method and seed. Model selection: {rule_name(changes.rule)}."
    )
    return Table(caption, ("A", "B", *COMPARISON_COLUMNS), tuple(rows), tuple(comparison_notes(changes.comparisons)))


def changes_sentences(changes: Changes) -> list[str]:
    """Everything beside the numbers: what differs, and what does not."""
    return [
        *(changes.configurations or ["The configurations are equal."]),
        *(changes.surroundings or ["Commit, device, threads and versions are equal."]),
        *changes.outcomes,
        *(changes.alone or ["Both have the same cells."]),
    ]
