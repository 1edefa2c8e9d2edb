"""Tables, pictures and page of a benchmark, from the files in its folder alone."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapt.benchmark.diagram import draw_diagram
from adapt.benchmark.grid import PLAN_FILE
from adapt.benchmark.headline import headline, headline_sheet, oracle_of
from adapt.benchmark.page import Facts, build_page
from adapt.benchmark.pictures import Picture, draw_pictures
from adapt.benchmark.results import read_results, write_atomically, write_csv
from adapt.benchmark.rule_pictures import draw_rules
from adapt.benchmark.rule_quality import Ranking, rank_rules, read_checkpoints
from adapt.benchmark.rule_table import rule_csv, rule_latex, rule_markdown
from adapt.benchmark.score_curves import draw_scores
from adapt.benchmark.search_table import SearchReport, read_search_report, search_csv, search_markdown
from adapt.benchmark.selection_table import Selection, select, selection_csv, selection_latex, selection_markdown
from adapt.benchmark.sheet import Sheet, to_latex, to_markdown
from adapt.benchmark.significance_table import Significance, examine, significance_csv, significance_markdown
from adapt.benchmark.statistics import Summary, rules_of, summarise
from adapt.benchmark.tables import csv_table, sheet_of
from adapt.errors import AdaptError
from adapt.monitor import summary_of, warnings_of

MOST_PICTURED_TASKS = 6


@dataclass(frozen=True)
class Report:
    """Where the parts of a report lie, and what they show.

    Attributes:
        benchmark: Name of the benchmark.
        results: `results.csv`; the paths after it likewise.
        pictures: All pictures, the critical-difference diagram first.
        summaries: One per selection rule.
        leading: The headline's, which pictures show.
        headline: The first table, for a screen.
        selections: One per task, and with several of them their average last.
        ranking: The rules, best first.
        tests: One per selection rule.
        tested: The headline's.
        remarks: What the report lacks, and how to get it.
        warned: How many cells warned while they trained, and of what; empty where none did.
        search: How the settings were found, with `search.md` and `search.csv`; None without a search.
    """

    benchmark: str
    results: Path
    markdown: Path
    latex: Path
    table: Path
    selection: Path
    rules: Path
    significance: Path
    page: Path
    pictures: tuple[Picture, ...]
    summaries: tuple[Summary, ...]
    leading: Summary
    headline: Sheet
    selections: tuple[Selection, ...]
    ranking: Ranking
    tests: tuple[Significance, ...]
    tested: Significance
    remarks: tuple[str, ...]
    warned: str
    search: SearchReport | None = None

    @property
    def other_summaries(self) -> list[Summary]:
        """Those that the headline does not show."""
        return [summary for summary in self.summaries if summary is not self.leading]


def build_report(directory: Path) -> Report:
    """Write `results.csv`, `report.html`, `pictures/`, and four tables as `.md` and `.csv`.

    The tables are `table`, `selection`, `rules` and `significance`; the first three also come as `.tex`. A search has
    `search.md` and `.csv` too. Only the first tasks of a large grid get pictures of their own, and the page says so.

    Raises:
        AdaptError: When there is no result, or one that cannot be read.
    """
    results = read_results(directory)
    plan = _read_plan(directory)
    search = read_search_report(directory)
    rules = rules_of(results)
    summaries = tuple(summarise(results, rule, plan.get("tasks", ()), plan.get("methods", ())) for rule in rules)
    leading = summaries[rules.index(headline(results))]
    pictured = leading.tasks[:MOST_PICTURED_TASKS]
    folder = directory / "pictures"
    # Pictures of methods that the folder no longer holds would otherwise stay.
    shutil.rmtree(folder, ignore_errors=True)
    selections = select(results, summaries)
    tests = tuple(examine(results, summary) for summary in summaries)
    tested = tests[rules.index(leading.rule)]
    diagram, remarks = _diagram(tested, folder)
    ranking = rank_rules(read_checkpoints(results), selections[-1])
    ruled = draw_rules(ranking, selections[-1], leading, folder)
    pictures = [
        *diagram,
        *ruled,
        *draw_pictures(results, leading, pictured, folder),
        *draw_scores(results, leading, pictured, folder),
    ]
    facts = Facts(
        benchmark=str(plan.get("benchmark") or directory.resolve().name),
        command=str(plan.get("command") or ""),
        results=results,
        tasks_without_pictures=leading.tasks[MOST_PICTURED_TASKS:],
        selections=selections,
        significance=tested,
        remarks=remarks,
        ranking=ranking,
        search=search,
    )
    first, printed = (headline_sheet(leading, oracle_of(summaries), selections[-1], wide) for wide in (True, False))
    report = Report(
        benchmark=facts.benchmark,
        results=directory / "results.csv",
        markdown=directory / "table.md",
        latex=directory / "table.tex",
        table=directory / "table.csv",
        selection=directory / "selection.md",
        rules=directory / "rules.md",
        significance=directory / "significance.md",
        page=directory / "report.html",
        pictures=tuple(pictures),
        summaries=summaries,
        leading=leading,
        headline=first,
        selections=tuple(selections),
        ranking=ranking,
        tests=tests,
        tested=tested,
        remarks=tuple(remarks),
        warned=summary_of([warnings_of(result.directory) for result in results]),
        search=search,
    )
    write_csv(results, report.results)
    found_by = [f"{search.sentence}\n"] if search else []
    others = [sheet_of(summary) for summary in report.other_summaries]
    write_atomically(report.markdown, "\n".join([*found_by, *map(to_markdown, [first, *others])]))
    write_atomically(report.latex, "\n".join(map(to_latex, [printed, *others])))
    write_atomically(report.table, csv_table(summaries))
    write_atomically(report.selection, selection_markdown(selections[-1]))
    write_atomically(report.selection.with_suffix(".csv"), selection_csv(selections))
    write_atomically(report.selection.with_suffix(".tex"), selection_latex(selections))
    write_atomically(report.rules, rule_markdown(ranking, map(_embedded, ruled)))
    write_atomically(report.rules.with_suffix(".csv"), rule_csv(ranking))
    write_atomically(report.rules.with_suffix(".tex"), rule_latex(ranking))
    shown = "\n".join([*map(_embedded, diagram), *remarks])
    # The diagram stands under the rule that it shows, which comes first.
    write_atomically(report.significance, significance_markdown(sorted(tests, key=lambda t: t is not tested), shown))
    write_atomically(report.significance.with_suffix(".csv"), significance_csv(tests))
    if search is not None:
        write_atomically(directory / "search.md", search_markdown(search))
        write_atomically(directory / "search.csv", search_csv(search))
    write_atomically(report.page, build_page(facts, summaries, leading, pictures))
    return report


def _embedded(picture: Picture) -> str:
    return f"![{picture.alt}](pictures/{picture.path.name})"


def _diagram(found: Significance, folder: Path) -> tuple[list[Picture], list[str]]:
    try:
        picture = draw_diagram(found, folder)
    except AdaptError as error:
        return [], [str(error)]
    return [] if picture is None else [picture], []


def _read_plan(directory: Path) -> dict[str, Any]:
    # Only order and names hang on this file: without it a report is less tidy, not less true.
    try:
        content = json.loads((directory / PLAN_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
