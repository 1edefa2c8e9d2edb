"""The headline table of a page, once per selection rule, and radio buttons that show one of them without a script."""

import html
from collections.abc import Sequence

from adapt.benchmark.headline import headline_sheet, oracle_of
from adapt.benchmark.selection_table import Selection
from adapt.benchmark.sheet import ORACLE, to_html
from adapt.benchmark.statistics import Summary
from adapt.benchmark.tables import rule_name


def switch(summaries: Sequence[Summary], shown: str, selection: Selection) -> str:
    """Radio buttons and tables; a browser that cannot hide by what is checked shows every table.

    Args:
        summaries: One per rule.
        shown: The rule that the page opens with.
        selection: Gaps of the tables' last column.
    """
    oracle = oracle_of(summaries)
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
