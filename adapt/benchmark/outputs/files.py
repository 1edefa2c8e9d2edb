"""A benchmark's tables, pictures and page as files, from the files in its folder alone."""

from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from adapt.benchmark.outputs import pictures
from adapt.benchmark.outputs.cautions import cautions, missing
from adapt.benchmark.outputs.page import build_page
from adapt.benchmark.outputs.pictures import Picture
from adapt.benchmark.outputs.render import to_csv, to_latex, to_markdown
from adapt.benchmark.outputs.table import Table
from adapt.benchmark.outputs.tables import accuracy, estimates, rules, search, selection, shifts, significance
from adapt.benchmark.results.results import write_csv
from adapt.benchmark.statistics.analysis import Analysis, read_analysis
from adapt.benchmark.vocabulary import PLAN_FILE
from adapt.files import replacing

PAGE, PICTURES = "report.html", "pictures"


@dataclass(frozen=True)
class Output:
    """What was written of an analysis, and where.

    Attributes:
        folder: The benchmark's.
        analysis: What the files say.
        pictures: All pictures, the critical-difference diagram first.
        remarks: What is lacking, and how to get it.
    """

    folder: Path
    analysis: Analysis
    pictures: tuple[Picture, ...]
    remarks: tuple[str, ...]

    @property
    def page(self) -> Path:
        """The page, which shows everything."""
        return self.folder / PAGE

    @property
    def files(self) -> tuple[Path, ...]:
        """What a person would open first."""
        searched = () if self.analysis.search is None else ("search.md",)
        names = ("table.md", "table.tex", "table.csv", "selection.md", "rules.md", "significance.md", *searched)
        return tuple(self.folder / name for name in (PAGE, *names, "results.csv"))


def build_report(directory: Path) -> Output:
    """Write `results.csv`, `report.html`, `pictures/`, and four tables as `.md` and `.csv`.

    The tables are `table`, `selection`, `rules` and `significance`; the first three also come as `.tex`. A search has
    `search.md` and `.csv` too, streamed targets `shifts.md`. Only the first tasks of a large grid get pictures of their
    own, and the page says so.
    All is made before the first file is replaced: whatever stops it leaves an earlier report whole.

    Raises:
        AdaptError: When there is no result, or one that cannot be read.
    """
    analysis = read_analysis(directory)
    with replacing(directory) as draft:
        drawn, remarks = pictures.draw(analysis, draft / PICTURES, directory / PICTURES)
        texts = {**_texts(analysis, drawn, remarks), PAGE: build_page(analysis, drawn, remarks, _related(directory))}
        for name, text in texts.items():
            (draft / name).write_bytes(text.encode())
        for name, (tables, columns, number) in csv_tables(analysis).items():
            (draft / f"{name}.csv").write_bytes(to_csv(tables, columns, number).encode())
        write_csv(analysis.results, draft / "results.csv")
    folder = directory / PICTURES
    drawn = [replace(picture, path=folder / picture.path.name) for picture in drawn]
    # Pictures of methods that the folder no longer holds would otherwise stay.
    for path in set(folder.glob("*.png")) - {picture.path for picture in drawn}:
        path.unlink()
    return Output(directory, analysis, tuple(drawn), tuple(remarks))


def _related(directory: Path) -> dict[str, str]:
    """Links to the pages of benchmarks in this one's folder, such as its streams, and of the one that it lies in."""
    inside = sorted(path.parent.name for path in directory.glob(f"*/{PLAN_FILE}"))
    links = {name: f"{quote(name)}/{PAGE}" for name in inside}
    above = directory.resolve().parent
    return ({above.name: f"../{PAGE}"} if (above / PLAN_FILE).is_file() else {}) | links


def _texts(analysis: Analysis, drawn: list[Picture], remarks: list[str]) -> dict[str, str]:
    notes = cautions(analysis)
    others = [accuracy.accuracy_table(summary, notes) for summary in analysis.other_summaries]
    first, printed = (accuracy.headline_table(analysis, average_first=first) for first in (True, False))
    without_labels, estimated = accuracy.other_tasks(analysis), estimates.estimate_tables(analysis)
    if analysis.nothing_measured:
        others = []
    lead = [f"{sentence}\n" for sentence in missing(analysis)]
    found_by = [] if analysis.search is None else [search.search_sentence(analysis.search) + "\n"]
    # LaTeX has a table per task and no column to spare for rules that are no best, so it marks methods.
    ranked = [
        table
        for cost in reversed(analysis.selections)
        for table in (selection.rules_table(cost, notes, ranked=True), *selection.selection_tables(cost)[1:])
    ]
    texts = {
        "table.md": "\n".join([*lead, *found_by, *map(to_markdown, [first, *without_labels, *estimated, *others])]),
        "table.tex": "\n".join(map(to_latex, [printed, *without_labels, *others])),
        "selection.md": _markdown(
            "What each selection rule would have picked",
            selection.selection_tables(analysis.selections[-1], notes),
            lead,
        ),
        "selection.tex": "\n".join(map(to_latex, ranked)),
        "rules.md": _rules(analysis, [p for p in drawn if p.kind in pictures.OF_RULES]),
        "rules.tex": to_latex(rules.rule_table(analysis.rules, notes)),
        "significance.md": _significance(analysis, [p for p in drawn if p.kind == pictures.OF_RANKS], remarks),
    }
    if of_shifts := shifts.shift_tables(analysis, analysis.leading.tasks):
        texts["shifts.md"] = _markdown("Accuracy under each shift", of_shifts)
    if analysis.search is not None:
        trials = "\n".join(["## Trials\n", *map(to_markdown, search.trial_tables(analysis.search))])
        text = _markdown("Hyperparameter search", search.search_tables(analysis.search, notes), found_by)
        texts["search.md"] = f"{text}\n{trials}"
    return texts


def csv_tables(analysis: Analysis) -> dict[str, tuple[list[Table], tuple[str, ...], str]]:
    """By name of a CSV file: the tables whose entries are its lines, its columns, and how it writes numbers."""
    tables: dict[str, tuple[list[Table], tuple[str, ...], str]] = {
        "table": ([accuracy.accuracy_table(s) for s in analysis.summaries], accuracy.COLUMNS, ".6f"),
        "selection": ([selection.rules_table(cost) for cost in analysis.selections], selection.COLUMNS, ".6f"),
        "rules": (rules.rule_details(analysis.rules), rules.COLUMNS, ".6f"),
        "significance": ([significance.significance_table(t) for t in analysis.tests], significance.COLUMNS, ".6g"),
    }
    if analysis.search is not None:
        tables["search"] = (search.trial_tables(analysis.search), search.columns_of(analysis.search), "")
    return tables


def _markdown(heading: str, tables: list[Table], sentences: list[str] | None = None) -> str:
    return "\n".join([f"# {heading}\n", *(sentences or []), *map(to_markdown, tables)])


def _rules(analysis: Analysis, drawn: list[Picture]) -> str:
    text = _markdown(
        "How well each rule ranks checkpoints",
        [rules.rule_table(analysis.rules, cautions(analysis))],
        [f"{sentence}\n" for sentence in (*missing(analysis), rules.rule_sentence(analysis.rules))],
    )
    return "\n".join([text, *map(_embedded, drawn)]).rstrip() + "\n"


def _significance(analysis: Analysis, drawn: list[Picture], remarks: list[str]) -> str:
    parts = []
    # The diagram stands under the rule that it shows, which comes first.
    for found in sorted(analysis.tests, key=lambda tests: tests is not analysis.tested):
        sentences = "\n".join(f"{sentence}  " for sentence in significance.ranking_sentences(found)).rstrip()
        table = to_markdown(significance.significance_table(found, cautions(analysis)))
        parts.append(f"## {found.summary.rule}\n\n{table}\n{sentences}\n")
    shown = "\n".join([*map(_embedded, drawn), *remarks])
    if shown:
        parts[0] += f"\n{shown}\n"
    lead = [f"{sentence}\n" for sentence in missing(analysis)]
    return "\n".join(["# Which differences are more than chance\n", *lead, *parts])


def _embedded(picture: Picture) -> str:
    return f"![{picture.alt}]({PICTURES}/{picture.path.name})"
