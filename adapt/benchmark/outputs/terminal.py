"""A benchmark's tables on a terminal."""

from rich.console import Console

from adapt.benchmark.outputs.cautions import cautions, missing
from adapt.benchmark.outputs.files import Output
from adapt.benchmark.outputs.render import in_one_line, to_terminal
from adapt.benchmark.outputs.tables import accuracy, rules, search, selection, significance
from adapt.monitor import summary_of


def show(output: Output, console: Console) -> None:
    """Print the tables; the headline comes last, where a terminal stands when the command has ended."""
    analysis = output.analysis
    several, notes = len(analysis.summaries) > 1 and not analysis.nothing_measured, cautions(analysis)
    for sentence in missing(analysis):
        _line(console, sentence, "bold red")
    tables = [] if analysis.search is None else search.search_tables(analysis.search)
    if several:
        tables += [*selection.selection_tables(analysis.selections[-1], notes), rules.rule_table(analysis.rules)]
    tested = significance.significance_table(analysis.tested)
    if not analysis.nothing_measured:
        tables += [tested] if tested.rows else []
    for table in tables:
        console.print(to_terminal(table))
    for sentence in [] if analysis.nothing_measured else significance.ranking_sentences(analysis.tested):
        _line(console, sentence, "dim")
    if analysis.search is not None:
        say(console, search.search_sentence(analysis.search))
    for table in (*accuracy.other_tasks(analysis), accuracy.headline_table(analysis)):
        console.print(to_terminal(table))
    warned = summary_of(analysis.warnings)
    for sentence in [*accuracy.negative_transfers(analysis.other_summaries), *([warned] if warned else [])]:
        _line(console, sentence, "yellow")
    if several:
        _line(console, rules.rule_sentence(analysis.rules))
    for sentence in output.remarks:
        _line(console, sentence, "dim")
    say(console, "Written: " + ", ".join(map(str, output.files)))


def _line(console: Console, text: str, style: str | None = None) -> None:
    console.print(in_one_line(text), style=style, markup=False, highlight=False)


def say(console: Console, text: str) -> None:
    """Print a text as it is: a bracket in it is no style, and a path stays in one line."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)
