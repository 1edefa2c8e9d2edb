"""A table of methods as text in cells, and the same table for a terminal, in Markdown, LaTeX and HTML."""

import html
import re
from dataclasses import dataclass
from typing import Literal

from rich.console import Group
from rich.table import Table
from rich.text import Text

Rank = Literal["best", "second", ""]

MISSING = "–"

# It reads target labels, and its column is set apart from those that anyone could have.
ORACLE = "oracle"

_WIDE = 6
_MOST_TERMINAL_COLUMNS = 4

_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "→": r"$\rightarrow$",
    "↓": r"$\downarrow$",
    "±": r"$\pm$",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "–": "--",
    "−": r"$-$",
    "×": r"$\times$",
    "≥": r"$\geq$",
    "λ": r"$\lambda$",
    "ρ": r"$\rho$",
}

# A hyphen before a number would be set as a hyphen.
_MINUS = re.compile(r"-(?=\d)")


@dataclass(frozen=True)
class Entry:
    """One entry of a table: the number, whether it is a best one, and what has to be said about it."""

    number: str
    rank: Rank = ""
    notes: str = ""

    @property
    def plain(self) -> str:
        """The entry without emphasis."""
        return f"{self.number} {self.notes}".strip()


@dataclass(frozen=True)
class Sheet:
    """A table with a row per method, or per rule.

    Attributes:
        caption: What the numbers are.
        columns: Headings of the entries.
        rows: Method, the target labels that it trains on, and an entry per column.
        notes: Sentences that explain the marks in the table.
        head: Headings of the two things that a row starts with.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, str, tuple[Entry, ...]], ...]
    notes: tuple[str, ...] = ()
    head: tuple[str, str] = ("Method", "Target labels")


def to_markdown(sheet: Sheet) -> str:
    """The table in Markdown, with caption and notes."""

    def cell(column: str, entry: Entry) -> str:
        number = {"best": f"**{entry.number}**", "second": f"<ins>{entry.number}</ins>"}.get(entry.rank, entry.number)
        return f"{apart(column, number)} {_pipes(entry.notes)}".strip()

    def apart(column: str, text: str) -> str:
        return f"*{text}*" if column == ORACLE else text

    lines = [
        sheet.caption,
        "",
        "| " + " | ".join([*sheet.head, *(apart(column, _pipes(column)) for column in sheet.columns)]) + " |",
        "|" + "|".join(["---", "---", *["--:"] * len(sheet.columns)]) + "|",
    ]
    for method, labels, entries in sheet.rows:
        lines.append("| " + " | ".join([_pipes(method), labels, *map(cell, sheet.columns, entries)]) + " |")
    return "\n".join([*lines, "", *(f"{note}  " for note in sheet.notes)]).rstrip() + "\n"


def to_latex(sheet: Sheet) -> str:
    r"""The table in LaTeX; needs `\usepackage{booktabs}`, and `graphicx` where many columns are scaled to the page."""

    def cell(column: str, entry: Entry) -> str:
        number = _MINUS.sub("$-$", latex(entry.number))
        number = {"best": rf"\textbf{{{number}}}", "second": rf"\underline{{{number}}}"}.get(entry.rank, number)
        return f"{apart(column, number)} {latex(entry.notes)}".strip()

    def apart(column: str, text: str) -> str:
        return rf"\textit{{{text}}}" if column == ORACLE else text

    wide = len(sheet.columns) > _WIDE
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{latex(' '.join([sheet.caption, *sheet.notes]))}}}",
        *([r"\resizebox{\linewidth}{!}{%"] if wide else []),
        rf"\begin{{tabular}}{{ll{'r' * len(sheet.columns)}}}",
        r"\toprule",
        " & ".join([*map(latex, sheet.head), *(apart(column, latex(column)) for column in sheet.columns)]) + r" \\",
        r"\midrule",
    ]
    for method, labels, entries in sheet.rows:
        lines.append(" & ".join([latex(method), latex(labels), *map(cell, sheet.columns, entries)]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}" + "}" * wide, r"\end{table}"]) + "\n"


def to_html(sheet: Sheet) -> str:
    """The table in HTML, with caption and notes."""

    def style(column: str) -> str:
        return ' class="oracle"' if column == ORACLE else ""

    def cell(column: str, entry: Entry) -> str:
        number = html.escape(entry.number)
        number = {"best": f"<strong>{number}</strong>", "second": f"<u>{number}</u>"}.get(entry.rank, number)
        notes = f" <small>{html.escape(entry.notes)}</small>" if entry.notes else ""
        return f"<td{style(column)}>{number}{notes}</td>"

    def name(method: str, labels: str) -> str:
        small = f"<small>{html.escape(sheet.head[1].lower())}: {html.escape(labels)}</small>" if labels else ""
        return f'<th scope="row">{html.escape(method)}{small}</th>'

    def heading(column: str) -> str:
        # Rules have long names in one word, which would make their columns as wide.
        return html.escape(column).replace("_", "_<wbr>")

    columns = sheet.columns
    head = "".join(f'<th scope="col"{style(column)}>{heading(column)}</th>' for column in [sheet.head[0], *columns])
    body = "\n".join(
        f"<tr>{name(method, labels)}{''.join(map(cell, columns, entries))}</tr>"
        for method, labels, entries in sheet.rows
    )
    # A wide table scrolls in a box of its own, which the keyboard has to reach.
    box = f'<div class="scroll" tabindex="0" role="region" aria-label="{html.escape(sheet.caption)}">'
    explained = "".join(f'<p class="note">{html.escape(note)}</p>' for note in sheet.notes)
    return (
        f'<p class="note">{html.escape(sheet.caption)}</p>{box}<table>'
        f"<thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>{explained}"
    )


def to_terminal(sheet: Sheet) -> Group:
    """The table for `rich`, with caption and notes."""
    styles = {"best": "bold green", "second": "underline", "": ""}

    def cell(column: str, entry: Entry) -> Text:
        style = f"{styles[entry.rank]} {apart(column)}".strip()
        return Text.assemble((entry.number, style), (f" {entry.notes}" if entry.notes else "", "yellow"))

    def apart(column: str) -> str:
        return "italic dim" if column == ORACLE else ""

    rows = [[*map(Text, sheet.head), *(Text(column, apart(column)) for column in sheet.columns)]]
    rows += [[Text(method), Text(labels), *map(cell, sheet.columns, entries)] for method, labels, entries in sheet.rows]
    # Many columns fit a screen only below one another.
    transposed = len(sheet.columns) > max(_MOST_TERMINAL_COLUMNS, len(sheet.rows))
    if transposed:
        rows = [list(column) for column in zip(*rows, strict=True)]
    table = Table()
    for position, head in enumerate(rows[0]):
        table.add_column(head, justify="left" if position == 0 or (position == 1 and not transposed) else "right")
    for row in rows[1:]:
        table.add_row(*row)
    return Group(Text(sheet.caption), table, *(Text(note, style="dim") for note in sheet.notes))


def latex(text: str) -> str:
    """Text with everything escaped that LaTeX would read as a command."""
    return "".join(_LATEX.get(character, character) for character in text)


def _pipes(text: str) -> str:
    return text.replace("|", "\\|")
