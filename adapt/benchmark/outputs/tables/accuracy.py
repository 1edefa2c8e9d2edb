"""The target's metric per method and task: the headline with the oracle beside it, and the table under every rule."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from adapt.benchmark.outputs.cautions import cautions
from adapt.benchmark.outputs.table import (
    Entry,
    Rank,
    Row,
    Table,
    Value,
    accuracy,
    below_note,
    bracket_notes,
    over,
    unit_of,
)
from adapt.benchmark.outputs.words import difference_of, gap_formula, labels_used, measured, rule_name
from adapt.benchmark.statistics.analysis import Analysis
from adapt.benchmark.statistics.estimates import Estimate, Summary, gains
from adapt.benchmark.vocabulary import AVERAGE, ORACLE, SOURCE_ONLY, TARGET_LABELS, UNSUPERVISED
from adapt.measures import ACCURACY, Measure

COLUMNS = ("rule", "method", "setting", "task", "mean", "ci95", "n", "n_failed", "negative_transfer")
"""Of `table.csv`: shares in [0, 1]; the average is a task of its own."""

_FEW_TASKS = 6


def headline_table(analysis: Analysis, summary: Summary | None = None, *, average_first: bool = True) -> Table:
    """The table under one rule, with the oracle beside its last column and the gap between the two.

    Args:
        analysis: What it is taken from.
        summary: The table's rule; by default the headline's.
        average_first: Whether of many tasks the average and what stands beside it come first: few screens are wide
            enough for all.
    """
    summary = summary or analysis.leading
    if analysis.nothing_measured:
        return source_table(analysis, summary.rule)
    table = accuracy_table(summary, cautions(analysis))
    table = replace(table, notes=(*table.notes, *negative_transfers([summary])))
    if analysis.oracle is not None and summary.rule != ORACLE:
        table = _beside_oracle(table, summary, analysis)
    tasks = len(summary.tasks)
    if tasks <= _FEW_TASKS or not average_first:
        return table
    return replace(
        table,
        columns=(*table.columns[tasks:], *table.columns[:tasks]),
        rows=tuple((method, labels, (*row[tasks:], *row[:tasks])) for method, labels, row in table.rows),
    )


def accuracy_table(summary: Summary, cautions: Sequence[str] = ()) -> Table:
    """A row per method, a column per task, and with several tasks one for their average; cautions end its notes."""
    columns = summary.columns
    places = {name: ranks(estimates, summary.settings, summary.measure) for name, estimates in columns.items()}
    rows = tuple(
        (
            method,
            labels_used(summary.settings[method]),
            tuple(
                accuracy(
                    e := estimates.get(method),
                    len(summary.seeds),
                    places[name].get(method, ""),
                    _record(e, summary, method, name),
                    average=name == AVERAGE,
                    unit=unit_of(summary.measure),
                )
                for name, estimates in columns.items()
            ),
        )
        for method in summary.methods
    )
    return Table(caption(summary), tuple(columns), rows, (*_notes(summary, rows), *cautions))


def source_table(analysis: Analysis, rule: str) -> Table:
    """What is known without target labels: the metric on the source's test set, of the tasks that have none.

    Args:
        analysis: What it is taken from.
        rule: The selection rule.
    """
    summary = analysis.on_source[rule]
    rows = tuple(
        (
            method,
            labels_used(summary.settings[method]),
            tuple(
                # Below source-only on the source is no negative transfer.
                accuracy(
                    (e := estimates.get(method)) and replace(e, negative=None),
                    len(summary.seeds),
                    average=name == AVERAGE,
                    unit=unit_of(summary.measure),
                )
                for name, estimates in summary.columns.items()
            ),
        )
        for method in summary.methods
    )
    text = (
        f"No target labels: source test {measured(summary.measure)}, {over(summary.seeds)}. "
        f"Model selection: {rule_name(summary.rule, summary.headline)}."
    )
    return Table(text, tuple(summary.columns), rows, tuple(cautions(analysis)))


def other_tasks(analysis: Analysis) -> list[Table]:
    """The table of the tasks without target labels, where it stands beside one of the others."""
    if analysis.nothing_measured or not analysis.unlabelled:
        return []
    rules = list(analysis.on_source)
    return [source_table(analysis, analysis.leading.rule if analysis.leading.rule in rules else rules[0])]


def gain_table(analysis: Analysis) -> Table:
    """Gains over source-only under the headline's rule: a row per method that adapts, a column per task."""
    summary = analysis.leading
    found = gains(summary)
    columns = tuple(summary.columns)
    rows = tuple(
        (
            method,
            labels_used(summary.settings[method]),
            tuple(
                accuracy(
                    found.get((method, column)),
                    len(summary.seeds),
                    average=column == AVERAGE,
                    unit=unit_of(summary.measure, "gain"),
                )
                for column in columns
            ),
        )
        for method in dict.fromkeys(method for method, _ in found)
    )
    caption = (
        f"Gain over {summary.baseline or 'source-only'} in {difference_of(summary.measure)}, paired by seed. "
        f"Model selection: {rule_name(summary.rule, summary.headline)}."
    )
    marks = below_note(found.values(), measure=summary.measure)
    notes = (*marks, *bracket_notes(found.values()), *cautions(analysis))
    return Table(f"{caption} Shown: {over(summary.seeds)}.", columns, rows, notes)


def caption(summary: Summary) -> str:
    """What the numbers are: metric, unit, interval, seeds, selection rule."""
    chosen = rule_name(summary.rule, summary.headline)
    return f"Target test {measured(summary.measure)}, {over(summary.seeds)}. Model selection: {chosen}."


def negative_transfers(summaries: Sequence[Summary]) -> list[str]:
    """A sentence per rule that names the methods and tasks with negative transfer, intervals apart."""
    sentences = []
    for summary in summaries:
        columns = summary.columns
        found = {
            method: [
                name for name, column in columns.items() if method in column and column[method].negative == "apart"
            ]
            for method in summary.methods
        }
        named = "; ".join(f"{method} ({', '.join(names)})" for method, names in found.items() if names)
        if named:
            sentences.append(f"Negative transfer under {summary.rule}: {named}.")
    return sentences


def ranks(
    estimates: Mapping[str, Estimate], settings: Mapping[str, str], measure: Measure = ACCURACY
) -> dict[str, Rank]:
    """Best and second best as displayed, within methods that train with the same kind of target labels."""
    found: dict[str, Rank] = {}
    # A method with a handful of target labels does not compete with methods that have none.
    kinds: list[Callable[[str], bool]] = [
        lambda setting: setting in (SOURCE_ONLY, UNSUPERVISED),
        lambda setting: setting not in (SOURCE_ONLY, UNSUPERVISED, TARGET_LABELS),
    ]
    for kind in kinds:
        shown = {
            method: accuracy(estimate, 0, unit=unit_of(measure)).shown
            for method, estimate in estimates.items()
            if estimate.mean is not None and kind(settings[method])
        }
        found |= best_two(shown, measure.higher)
    return found


def ranked_note(where: str = "") -> str:
    """What bold and underlined mean where `ranks` marked them."""
    return (
        f"Bold: best, underlined: second best{where} among methods that train with the same kind of target labels; "
        "train-on-target is never ranked."
    )


def best_two(shown: Mapping[str, float], higher: bool = True) -> dict[str, Rank]:
    """The best of the displayed values and, of more than two, the second best; ties share a rank.

    Args:
        shown: What is displayed.
        higher: Whether the highest is the best.
    """
    values = sorted(set(shown.values()), reverse=higher)
    if len(shown) < 2:
        return {}
    places: dict[float, Rank] = {values[0]: "best"}
    if len(shown) > 2 and len(values) > 1:
        places[values[1]] = "second"
    return {name: places[value] for name, value in shown.items() if value in places}


def _record(e: Estimate | None, summary: Summary, method: str, task: str) -> dict[str, Value]:
    if e is None:
        return {}
    return {
        "rule": summary.rule,
        "method": method,
        "setting": summary.settings[method],
        "task": task,
        "mean": e.mean,
        "ci95": e.ci,
        "n": e.n,
        "n_failed": e.n_failed,
        "negative_transfer": e.negative,
    }


def _notes(summary: Summary, rows: Sequence[Row]) -> list[str]:
    sentences = []
    estimates = [*summary.cells.values(), *summary.averages.values()]
    if any(ranks(column, summary.settings, summary.measure) for column in summary.columns.values()):
        sentences.append(ranked_note())
    sentences += [*below_note(estimates, measure=summary.measure), *bracket_notes(estimates, len(summary.seeds))]
    if any(entry.n is not None for _, _, entries in rows for entry in entries):
        sentences.append("n: seeds in the mean, where fewer than all.")
    if any(average.n < len(summary.seeds) for average in summary.averages.values()):
        sentences.append(f"{AVERAGE}: over the seeds with which a method finished every task; – where there is none.")
    return sentences


def _beside_oracle(table: Table, summary: Summary, analysis: Analysis) -> Table:
    selection = analysis.selections[-1]
    count = len(summary.seeds)

    def beside(method: str) -> tuple[Entry, Entry]:
        best, gap = selection.accuracies.get((method, ORACLE)), selection.gaps.get((method, summary.rule))
        # The arrow of negative transfer compares within one rule: beside another one it would be misread.
        unmarked = None if best is None else replace(best, negative=None)
        unit, difference = unit_of(summary.measure), unit_of(summary.measure, "difference")
        return accuracy(unmarked, count, average=True, unit=unit), accuracy(gap, count, unit=difference)

    named = "" if selection.tasks == 1 else f" ({selection.task})"
    picks = rule_name(ORACLE, summary.headline).removeprefix("oracle: ")
    formula = gap_formula(summary.measure, "this rule") + (", in points" if summary.measure.share else "")
    note = f"{ORACLE}{named}: {picks}; gap: {formula}."
    return replace(
        table,
        columns=(*table.columns, ORACLE, "gap"),
        rows=tuple((method, labels, (*entries, *beside(method))) for method, labels, entries in table.rows),
        notes=(*table.notes, note),
    )
