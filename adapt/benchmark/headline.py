"""The headline table: under one rule that needs no target label, with the oracle beside it."""

from collections.abc import Sequence
from dataclasses import replace

from adapt.benchmark.results import CellResult
from adapt.benchmark.search_plan import DEFAULT_RULE
from adapt.benchmark.selection_table import Selection, negative_transfers
from adapt.benchmark.sheet import MISSING, ORACLE, Entry, Sheet
from adapt.benchmark.statistics import Estimate, Summary, rules_of
from adapt.benchmark.tables import columns_of, entry, points, rule_name, sheet_of

HEADLINE_RULES = (DEFAULT_RULE, "source_accuracy", "last")
"""The first of these that a whole grid recorded is its headline. None of them reads a target label."""

_FEW_TASKS = 6


def headline(results: Sequence[CellResult]) -> str:
    """The rule of the headline: label-free, and one that every finished run recorded, if there is one.

    A table without some of the methods would mislead; the oracle comes only where there is nothing else.
    """
    recorded = rules_of(results)
    label_free = [*(rule for rule in HEADLINE_RULES if rule in recorded), *(r for r in recorded if r != ORACLE)]
    finished = [{row["rule"] for row in result.rows} for result in results if result.rows]
    by_all = [rule for rule in label_free if all(rule in rules for rules in finished)]
    return next(iter([*by_all, *label_free]), ORACLE)


def headline_sheet(summary: Summary, oracle: Summary | None, selection: Selection, average_first: bool = True) -> Sheet:
    """The table under one rule, with the oracle beside its last column and the gap between the two.

    Args:
        summary: The table's own rule.
        oracle: The same results under the oracle, where it was recorded.
        selection: Gaps of the last column, over tasks where there are several.
        average_first: Whether of many tasks the average and what stands beside it come first: few screens are wide
            enough for all.
    """
    sheet = sheet_of(summary)
    sheet = replace(sheet, notes=(*sheet.notes, *negative_transfers([summary])))
    if oracle is not None and summary.rule != ORACLE:
        sheet = _beside_oracle(sheet, summary, oracle, selection)
    tasks = len(summary.tasks)
    if tasks <= _FEW_TASKS or not average_first:
        return sheet
    return replace(
        sheet,
        columns=(*sheet.columns[tasks:], *sheet.columns[:tasks]),
        rows=tuple((method, labels, (*row[tasks:], *row[:tasks])) for method, labels, row in sheet.rows),
    )


def oracle_of(summaries: Sequence[Summary]) -> Summary | None:
    """The summary under the oracle, where it was recorded."""
    return next((summary for summary in summaries if summary.rule == ORACLE), None)


def _beside_oracle(sheet: Sheet, summary: Summary, oracle: Summary, selection: Selection) -> Sheet:
    best = columns_of(oracle)[selection.task]
    count = len(summary.seeds)

    def beside(method: str) -> tuple[Entry, Entry]:
        return (
            # The arrow of negative transfer compares within one rule: beside another one it would be misread.
            entry(_unmarked(best.get(method)), count, average=True),
            _gap(selection.gaps.get((method, summary.rule))),
        )

    named = "" if selection.tasks == 1 else f" ({selection.task})"
    note = f"{ORACLE}{named}: {rule_name(ORACLE).removeprefix('oracle: ')}; gap: {ORACLE} − this rule, in points."
    return replace(
        sheet,
        columns=(*sheet.columns, ORACLE, "gap"),
        rows=tuple((method, labels, (*entries, *beside(method))) for method, labels, entries in sheet.rows),
        notes=(*sheet.notes, note),
    )


def _unmarked(estimate: Estimate | None) -> Estimate | None:
    return None if estimate is None else replace(estimate, negative=None)


def _gap(gap: Estimate | None) -> Entry:
    if gap is None or gap.mean is None:
        return Entry(MISSING)
    return Entry(points(gap.mean, gap.ci))
