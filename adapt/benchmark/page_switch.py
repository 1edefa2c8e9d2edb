"""The headline table of a page, once per selection rule, and radio buttons that show one of them without a script."""

import html
from collections.abc import Sequence
from dataclasses import replace

from adapt.benchmark.search_plan import DEFAULT_RULE
from adapt.benchmark.selection_table import ORACLE, Selection, negative_transfers
from adapt.benchmark.sheet import MISSING, Entry, Sheet, to_html
from adapt.benchmark.statistics import Estimate, Summary
from adapt.benchmark.tables import columns_of, entry, points, rule_name, sheet_of

# What a page opens with: the first of these that was recorded. None of them reads a target label.
HEADLINE_RULES = (DEFAULT_RULE, "source_accuracy", "last")

_FEW_TASKS = 6


def headline(rules: Sequence[str]) -> str:
    """The rule that a page opens with; the oracle only where there is nothing else."""
    label_free = [*(rule for rule in HEADLINE_RULES if rule in rules), *(rule for rule in rules if rule != ORACLE)]
    return next(iter(label_free), rules[0])


def headline_sheet(summary: Summary, oracle: Summary | None, selection: Selection) -> Sheet:
    """The table under one rule, with the oracle beside its last column and the gap between the two.

    Of many tasks the average and what stands beside it come first: a page is not wide enough for all.

    Args:
        summary: The table's own rule.
        oracle: The same results under the oracle, where it was recorded.
        selection: Gaps of the last column, over tasks where there are several.
    """
    sheet = sheet_of(summary)
    sheet = replace(sheet, notes=(*sheet.notes, *negative_transfers([summary])))
    if oracle is not None and summary.rule != ORACLE:
        sheet = _beside_oracle(sheet, summary, oracle, selection)
    tasks = len(summary.tasks)
    if tasks <= _FEW_TASKS:
        return sheet
    return replace(
        sheet,
        columns=(*sheet.columns[tasks:], *sheet.columns[:tasks]),
        rows=tuple((method, labels, (*row[tasks:], *row[:tasks])) for method, labels, row in sheet.rows),
    )


def switch(summaries: Sequence[Summary], selection: Selection) -> str:
    """Radio buttons and tables; a browser that cannot hide by what is checked shows every table."""
    oracle = next((summary for summary in summaries if summary.rule == ORACLE), None)
    shown = headline([summary.rule for summary in summaries])
    if len(summaries) == 1:
        return to_html(headline_sheet(summaries[0], oracle, selection))
    buttons, panels = [], []
    for number, summary in enumerate(summaries):
        kind = " oracle" if summary.rule == ORACLE else ""
        checked = " checked" if summary.rule == shown else ""
        rule = html.escape(summary.rule)
        buttons.append(
            f'<label class="choice{kind}"><input type="radio" name="rule" value="{rule}" id="rule-{number}"{checked}>'
            f"{rule}</label>"
        )
        panels.append(
            f'<div class="panel of-{number}{kind}" id="under-{number}"><h3>{html.escape(rule_name(summary.rule))}</h3>'
            f"{to_html(headline_sheet(summary, oracle, selection))}</div>"
        )
    legend = "<legend>Which checkpoint counts: selection rule</legend>"
    return f'<fieldset class="choices">{legend}{"".join(buttons)}</fieldset><div class="panels">{"".join(panels)}</div>'


def switch_style(count: int) -> str:
    """The style that shows the panel of the button that is checked."""
    shown = ",".join(f".switch:has(#rule-{k}:checked) .of-{k}" for k in range(count))
    return f"@supports selector(:has(*)) {{ .panel {{ display: none; }} {shown} {{ display: block; }} }}"


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
