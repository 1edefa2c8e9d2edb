"""One summary, five tables: terminal, Markdown, LaTeX, HTML and CSV."""

import csv
import html
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from rich.console import Group
from rich.table import Table
from rich.text import Text

from adapt.benchmark.plan import AVERAGE, SOURCE_ONLY, TARGET_LABELS, UNSUPERVISED
from adapt.benchmark.statistics import Estimate, Summary

Rank = Literal["best", "second", ""]

_MOST_TERMINAL_COLUMNS = 4

_RULES = {
    "last": "last training step",
    "source_accuracy": "best source validation accuracy (no target label)",
    "entropy": "lowest entropy of the target's predictions (no target label)",
    "information_maximisation": "most certain and diverse target predictions (no target label)",
    "bnm": "largest nuclear norm of the target's predictions (no target label)",
    "softmax_correlation": "target predictions closest to certain and balanced, SoftmaxCorr (no target label)",
    "snd": "highest soft neighbourhood density, SND (no target label)",
    "silhouette": "best silhouette of the predicted target classes (no target label)",
    "class_ami": "best agreement of predicted target classes and clusters, ClassAMI (no target label)",
    "iwcv": "lowest importance-weighted source risk, IWCV (no target label)",
    "dev": "lowest deep embedded validation risk, DEV (no target label)",
    "mmd": "smallest MMD of the features (no target label)",
    "coral": "smallest CORAL distance of the features (no target label)",
    "a_distance": "smallest proxy A-distance of the features (no target label)",
    "reverse_validation": "best reverse validation (no target label)",
    "oracle": "oracle: best target validation accuracy (uses target labels; for reference only)",
}
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
    "≥": r"$\geq$",
    "λ": r"$\lambda$",
}


@dataclass(frozen=True)
class Entry:
    """One entry of a table: the number, whether it is a best one, and what has to be said about it."""

    number: str
    rank: Rank
    notes: str

    @property
    def plain(self) -> str:
        """The entry without emphasis."""
        return f"{self.number} {self.notes}".strip()


@dataclass(frozen=True)
class _Layout:
    columns: tuple[str, ...]
    rows: tuple[tuple[str, str, tuple[Entry, ...]], ...]


def rule_name(rule: str) -> str:
    """What a selection rule does, in words."""
    return _RULES.get(rule, f"best {rule} (no target label)")


def caption(summary: Summary) -> str:
    """What the numbers are: unit, interval, seeds, selection rule."""
    seeds = ", ".join(map(str, summary.seeds))
    count = len(summary.seeds)
    over = (
        f"mean ± 95% interval (Student t over {count} seeds: {seeds})"
        if count > 1
        else f"one seed ({seeds}), no interval"
    )
    return f"Target test accuracy in %, {over}. Model selection: {rule_name(summary.rule)}."


def notes(summary: Summary) -> list[str]:
    """Sentences that explain the marks which occur in the table."""
    sentences = []
    estimates = [*summary.cells.values(), *summary.averages.values()]
    if any(_ranks(summary, column) for column in columns_of(summary)):
        sentences.append(
            "Bold: best, underlined: second best among methods that train with the same kind of target labels; "
            "train-on-target is never ranked."
        )
    if any(estimate.negative == "apart" for estimate in estimates):
        sentences.append("↓ negative transfer: below source-only, with the 95% intervals apart.")
    if any(estimate.negative == "one seed" for estimate in estimates):
        sentences.append("↓? below source-only, by one seed alone.")
    entries = [entry for _, _, entries in _layout(summary).rows for entry in entries]
    if any("(n = " in entry.notes for entry in entries):
        sentences.append("n: seeds in the mean, where fewer than all.")
    if any(average.n < len(summary.seeds) for average in summary.averages.values()):
        sentences.append(f"{AVERAGE}: over the seeds with which a method finished every task; – where there is none.")
    return sentences


def markdown_table(summary: Summary) -> str:
    """The table in Markdown, with caption and notes."""
    layout = _layout(summary)

    def cell(entry: Entry) -> str:
        number = {"best": f"**{entry.number}**", "second": f"<ins>{entry.number}</ins>"}.get(entry.rank, entry.number)
        return f"{number} {_pipes(entry.notes)}".strip()

    lines = [
        caption(summary),
        "",
        "| " + " | ".join(["Method", "Target labels", *map(_pipes, layout.columns)]) + " |",
        "|" + "|".join(["---", "---", *["--:"] * len(layout.columns)]) + "|",
    ]
    for method, labels, entries in layout.rows:
        lines.append("| " + " | ".join([_pipes(method), labels, *map(cell, entries)]) + " |")
    return "\n".join([*lines, "", *(f"{note}  " for note in notes(summary))]).rstrip() + "\n"


def latex_table(summary: Summary) -> str:
    r"""The table in LaTeX; needs `\usepackage{booktabs}`."""
    layout = _layout(summary)

    def cell(entry: Entry) -> str:
        number = latex(entry.number)
        number = {"best": rf"\textbf{{{number}}}", "second": rf"\underline{{{number}}}"}.get(entry.rank, number)
        return f"{number} {latex(entry.notes)}".strip()

    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{latex(' '.join([caption(summary), *notes(summary)]))}}}",
        rf"\begin{{tabular}}{{ll{'r' * len(layout.columns)}}}",
        r"\toprule",
        " & ".join(["Method", "Target labels", *map(latex, layout.columns)]) + r" \\",
        r"\midrule",
    ]
    for method, labels, entries in layout.rows:
        lines.append(" & ".join([latex(method), latex(labels), *map(cell, entries)]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}"]) + "\n"


def html_table(summary: Summary) -> str:
    """The table in HTML, with caption and notes."""
    layout = _layout(summary)

    def cell(entry: Entry) -> str:
        number = html.escape(entry.number)
        number = {"best": f"<strong>{number}</strong>", "second": f"<u>{number}</u>"}.get(entry.rank, number)
        return f"<td>{number} <small>{html.escape(entry.notes)}</small></td>" if entry.notes else f"<td>{number}</td>"

    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in ["Method", *layout.columns])
    body = "\n".join(
        f'<tr><th scope="row">{html.escape(method)}<small>target labels: {html.escape(labels)}</small></th>'
        + "".join(map(cell, entries))
        + "</tr>"
        for method, labels, entries in layout.rows
    )
    explained = "".join(f'<p class="note">{html.escape(note)}</p>' for note in notes(summary))
    return (
        f'<p class="note">{html.escape(caption(summary))}</p><div class="scroll"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>{explained}"
    )


def terminal_table(summary: Summary) -> Group:
    """The table for `rich`, with caption and notes."""
    layout = _layout(summary)
    styles = {"best": "bold green", "second": "underline", "": ""}

    def cell(entry: Entry) -> Text:
        return Text.assemble((entry.number, styles[entry.rank]), (f" {entry.notes}" if entry.notes else "", "yellow"))

    rows = [[Text("Method"), Text("Target labels"), *map(Text, layout.columns)]]
    rows += [[Text(method), Text(labels), *map(cell, entries)] for method, labels, entries in layout.rows]
    # Many tasks fit a screen only below one another.
    transposed = len(layout.columns) > max(_MOST_TERMINAL_COLUMNS, len(layout.rows))
    if transposed:
        rows = [list(column) for column in zip(*rows, strict=True)]
    table = Table()
    for position, head in enumerate(rows[0]):
        table.add_column(head, justify="left" if position == 0 or (position == 1 and not transposed) else "right")
    for row in rows[1:]:
        table.add_row(*row)
    return Group(Text(caption(summary)), table, *(Text(note, style="dim") for note in notes(summary)))


CSV_COLUMNS = ("rule", "method", "setting", "task", "mean", "ci95", "n", "n_failed", "negative_transfer")


def csv_table(summaries: Sequence[Summary]) -> str:
    """All summaries as one table of numbers, accuracies in [0, 1]; the average is a task of its own."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for summary in summaries:
        for method in summary.methods:
            for name, estimates in columns_of(summary).items():
                if (e := estimates.get(method)) is not None:
                    numbers = ("" if value is None else f"{value:.6f}" for value in (e.mean, e.ci))
                    setting = summary.settings[method]
                    writer.writerow([summary.rule, method, setting, name, *numbers, e.n, e.n_failed, e.negative or ""])
    return text.getvalue()


def latex(text: str) -> str:
    """Text with everything escaped that LaTeX would read as a command."""
    return "".join(_LATEX.get(character, character) for character in text)


def labels_used(setting: str) -> str:
    """A setting as the table's column shows it."""
    return {SOURCE_ONLY: "none", UNSUPERVISED: "none", TARGET_LABELS: "all"}.get(setting, setting)


def columns_of(summary: Summary) -> dict[str, Mapping[str, Estimate]]:
    """Column name → method → estimate: the tasks, and with several of them their average."""
    columns: dict[str, Mapping[str, Estimate]] = {
        task: {method: summary.cells[method, task] for method in summary.methods if (method, task) in summary.cells}
        for task in summary.tasks
    }
    if summary.averages:
        columns[AVERAGE] = summary.averages
    return columns


def _layout(summary: Summary) -> _Layout:
    columns = columns_of(summary)
    ranks = {name: _ranks(summary, name) for name in columns}
    return _Layout(
        columns=tuple(columns),
        rows=tuple(
            (
                method,
                labels_used(summary.settings[method]),
                tuple(
                    _entry(estimates.get(method), ranks[name].get(method, ""), len(summary.seeds), name == AVERAGE)
                    for name, estimates in columns.items()
                ),
            )
            for method in summary.methods
        ),
    )


def _entry(estimate: Estimate | None, rank: Rank, seeds: int, average: bool) -> Entry:
    if estimate is None:
        return Entry("–", "", "")
    remarks = {"apart": "↓", "one seed": "↓?", None: ""}[estimate.negative]
    failed = "" if average or not estimate.n_failed else f"failed ({estimate.n_failed} of {seeds})"
    if estimate.mean is None:
        return Entry(failed or "–", "", "")
    few = f"(n = {estimate.n})" if estimate.n < seeds and not failed else ""
    interval = "" if estimate.ci is None else f" ± {100 * estimate.ci:.1f}"
    return Entry(f"{100 * estimate.mean:.1f}{interval}", rank, " ".join(filter(None, [remarks, few, failed])))


def _ranks(summary: Summary, column: str) -> dict[str, Rank]:
    """Best and second best as displayed, within methods that train with the same kind of target labels."""
    ranks: dict[str, Rank] = {}
    estimates = columns_of(summary)[column]
    # A method with a handful of target labels does not compete with methods that have none.
    kinds: list[Callable[[str], bool]] = [
        lambda setting: setting in (SOURCE_ONLY, UNSUPERVISED),
        lambda setting: setting not in (SOURCE_ONLY, UNSUPERVISED, TARGET_LABELS),
    ]
    for kind in kinds:
        shown = {
            method: round(100 * estimate.mean, 1)
            for method, estimate in estimates.items()
            if estimate.mean is not None and kind(summary.settings[method])
        }
        values = sorted(set(shown.values()), reverse=True)
        if len(shown) < 2:
            continue
        for method, value in shown.items():
            if value == values[0]:
                ranks[method] = "best"
            elif value == values[1] and len(shown) > 2:
                ranks[method] = "second"
    return ranks


def _pipes(text: str) -> str:
    return text.replace("|", "\\|")
