"""A table for a terminal, in Markdown, LaTeX, HTML and CSV."""

import re
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from rich.console import Group
from rich.table import Table as Grid
from rich.text import Text

from adapt.benchmark.outputs.table import Entry, Table, lines
from adapt.benchmark.results.metrics import csv_text
from adapt.benchmark.vocabulary import ORACLE

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

# Colours and cursors of a terminal; and marks of direction, since a name that opens one and does not close it turns the
# rest of a page around.
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_LETTERS = "[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]+"
_RIGHT_TO_LEFT = re.compile(rf"{_LETTERS}(?:\s+{_LETTERS})*")

_TAG = r"<(?=[A-Za-z/!?])"
_MARKDOWN = re.compile(rf"[\\|*`~]|{_TAG}|(?<=\])\(|(?<![^\W_])_|_(?![^\W_])")

# A hyphen before a number would be set as a hyphen.
_MINUS = re.compile(r"-(?=\d)")


def to_markdown(table: Table) -> str:
    """The table in Markdown, with caption and notes."""

    def cell(column: str, entry: Entry) -> str:
        number = markdown(entry.number)
        number = {"best": f"**{number}**", "second": f"<ins>{number}</ins>"}.get(entry.rank, number)
        return f"{apart(column, number)} {markdown(entry.notes)}".strip()

    def apart(column: str, text: str) -> str:
        return f"*{text}*" if column == ORACLE else text

    lines = [
        sentence(table.caption),
        "",
        "| " + " | ".join([*table.head, *(apart(column, markdown(column)) for column in table.columns)]) + " |",
        "|" + "|".join(["---", "---", *["--:"] * len(table.columns)]) + "|",
    ]
    for method, labels, entries in table.rows:
        lines.append("| " + " | ".join([markdown(method), markdown(labels), *map(cell, table.columns, entries)]) + " |")
    return "\n".join([*lines, "", *(f"{sentence(note)}  " for note in table.notes)]).rstrip() + "\n"


def to_latex(table: Table) -> str:
    r"""The table in LaTeX; needs `\usepackage{booktabs}`, and `graphicx` where many columns are scaled to the page."""

    def cell(column: str, entry: Entry) -> str:
        number = _MINUS.sub("$-$", latex(entry.number))
        number = {"best": rf"\textbf{{{number}}}", "second": rf"\underline{{{number}}}"}.get(entry.rank, number)
        return f"{apart(column, number)} {latex(entry.notes)}".strip()

    def apart(column: str, text: str) -> str:
        return rf"\textit{{{text}}}" if column == ORACLE else text

    wide = len(table.columns) > _WIDE
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{latex(' '.join([table.caption, *table.notes]))}}}",
        *([r"\resizebox{\linewidth}{!}{%"] if wide else []),
        rf"\begin{{tabular}}{{ll{'r' * len(table.columns)}}}",
        r"\toprule",
        " & ".join([*map(latex, table.head), *(apart(column, latex(column)) for column in table.columns)]) + r" \\",
        r"\midrule",
    ]
    for method, labels, entries in table.rows:
        lines.append(" & ".join([latex(method), latex(labels), *map(cell, table.columns, entries)]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}" + "}" * wide, r"\end{table}"]) + "\n"


def to_html(table: Table) -> str:
    """The table in HTML, with caption and notes, as the page has it."""
    return str(template("table.html.j2").module.table(table))  # type: ignore[attr-defined]  # a macro of the template


def template(name: str) -> Template:
    """One of the templates beside this file; whatever it is given is escaped."""
    return _templates().get_template(name)


def to_terminal(table: Table) -> Group:
    """The table for `rich`, with caption and notes."""
    styles = {"best": "bold green", "second": "underline", "": ""}

    def cell(column: str, entry: Entry) -> Text:
        style = f"{styles[entry.rank]} {apart(column)}".strip()
        notes = f" {in_one_line(entry.notes)}" if entry.notes else ""
        return Text.assemble((in_one_line(entry.number), style), (notes, "yellow"))

    def apart(column: str) -> str:
        return "italic dim" if column == ORACLE else ""

    rows = [[*map(Text, table.head), *(Text(in_one_line(column), apart(column)) for column in table.columns)]]
    for method, labels, entries in table.rows:
        rows.append([Text(in_one_line(method)), Text(in_one_line(labels)), *map(cell, table.columns, entries)])
    # Many columns fit a screen only below one another.
    transposed = len(table.columns) > max(_MOST_TERMINAL_COLUMNS, len(table.rows))
    if transposed:
        rows = [list(column) for column in zip(*rows, strict=True)]
    grid = Grid()
    for position, head in enumerate(rows[0]):
        grid.add_column(head, justify="left" if position == 0 or (position == 1 and not transposed) else "right")
    for row in rows[1:]:
        grid.add_row(*row)
    return Group(
        Text(in_one_line(table.caption)), grid, *(Text(in_one_line(note), style="dim") for note in table.notes)
    )


def to_csv(tables: Iterable[Table], columns: Sequence[str], number: str = ".6f") -> str:
    """The lines that the entries of some tables stand for, as one CSV file.

    Args:
        tables: In the order of the lines.
        columns: The file's columns.
        number: Format of its floats.
    """
    return csv_text(columns, lines(tables, columns), number)


def latex(text: str) -> str:
    """Text with everything escaped that LaTeX would read as a command."""
    text = re.sub("[\u2068\u2069]", "", in_one_line(text))
    # After the end of a row a bracket or an asterisk would be an argument of that end.
    first = f"{{{text[0]}}}" if text[:1] in ("[", "*") else latex_characters(text[:1])
    return first + latex_characters(text[1:])


def latex_characters(text: str) -> str:
    """Every character as LaTeX prints it."""
    return "".join(_LATEX.get(character, character) for character in text)


def markdown(text: str) -> str:
    """A text that stands in a Markdown table as it is."""
    return _MARKDOWN.sub(r"\\\g<0>", in_one_line(text))


def sentence(text: str) -> str:
    """Our own words with names in them, in Markdown: in one line, and without a tag."""
    return re.sub(_TAG, r"\\<", in_one_line(text))


def in_one_line(text: str) -> str:
    """A text as a person may read it anywhere, without the ends of lines."""
    return isolated(" ".join(text.splitlines())).replace("\t", " ")


def isolated(text: str) -> str:
    """A text without what would steer a terminal or a page, and what runs right to left apart from the rest."""
    return _RIGHT_TO_LEFT.sub("\u2068\\g<0>\u2069", _STEERING.sub("", text))


@cache
def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: isolated(value) if type(value) is str else value,
    )
