"""The one HTML page of a benchmark: no script, no network, one file."""

import base64
import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from adapt.benchmark.page_cells import cells_section, failures, provenance, warnings_section
from adapt.benchmark.page_switch import switch, switch_style
from adapt.benchmark.pictures import Picture
from adapt.benchmark.results import CellResult
from adapt.benchmark.rule_quality import Ranking
from adapt.benchmark.rule_table import rule_sentence, rule_sheet
from adapt.benchmark.search_table import SearchReport, search_sheets
from adapt.benchmark.selection_table import Selection, accuracy_sheet, selection_sheets
from adapt.benchmark.sheet import to_html
from adapt.benchmark.significance_table import Significance, ranking_sentences, significance_sheet
from adapt.benchmark.statistics import Summary
from adapt.benchmark.tables import count
from adapt.names import slug

# Base64 makes four characters of three bytes.
MOST_PICTURE_BYTES = 5_500_000

_KINDS = {
    "critical-difference": (
        "Average ranks",
        "Further left is better. Methods under one thick bar are not told apart: their ranks lie within the critical "
        "difference (Nemenyi, 0.05).",
        "full",
    ),
    "selection-gap": ("What choosing without labels costs", "Further right is worse; zero is the oracle.", "wide"),
    "rule-scatter": (
        "Scores against target accuracy",
        "A point per checkpoint; a rule that ranks well has its points on a rising line.",
        "full",
    ),
    "bars": ("Accuracy", "Bars are means over seeds; the dashed line is source-only.", "wide"),
    "curves": ("Learning curves", "Mean over seeds; the band is the 95% interval.", "full"),
    "scores": (
        "Selection scores while training",
        "Every score that was recorded at validation, mean over seeds, signed such that higher is better. "
        "No score reads a target label.",
        "full",
    ),
    "embedding": (
        "Features before and after",
        "Test features in the plane (PCA, then t-SNE): filled circles are source, crosses target. "
        "Distances between far groups mean little in such pictures.",
        "wide",
    ),
    "confusion": ("Confusion on the target", "First seed; percent of each true class.", "small"),
}

_STYLE = Path(__file__).with_suffix(".css")


@dataclass(frozen=True)
class Facts:
    """What a page says beside tables and pictures."""

    benchmark: str
    command: str
    results: Sequence[CellResult]
    tasks_without_pictures: Sequence[str]
    selections: Sequence[Selection]
    significance: Significance
    remarks: Sequence[str]
    ranking: Ranking
    search: SearchReport | None = None


def build_page(facts: Facts, summaries: Sequence[Summary], leading: Summary, pictures: Sequence[Picture]) -> str:
    """The page as text; it opens with the leading summary, under whose rule pictures and tests are."""
    name = html.escape(facts.benchmark)
    command = facts.command or facts.results[0].command
    several = len(summaries) > 1
    sections = [
        ("Result", switch(summaries, leading.rule, facts.selections[-1])),
        ("Hyperparameter search", _search(facts.search)),
        ("Model selection", "".join(map(to_html, selection_sheets(facts.selections[-1]))) if several else ""),
        ("Each task under every rule", _tasks(facts.selections) if several else ""),
        ("Which rule to trust", _rules(facts.ranking) if several else ""),
        ("Significance", _significance(facts, leading.rule, several)),
        *_picture_sections(pictures),
        ("Warnings", warnings_section(facts.results)),
        ("Runs without a result", failures(facts.results)),
        ("Each run", cells_section(facts.results, leading.tasks, command)),
        ("How it was made", _left_out(facts.tasks_without_pictures) + provenance(facts.results, command)),
    ]
    shown = [(heading, content) for heading, content in sections if content]
    links = "".join(f'<li><a href="#{_anchor(heading)}">{heading}</a></li>' for heading, _ in shown)
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{name}: benchmark</title>",
        f"<style>{_STYLE.read_text(encoding='utf-8')}{switch_style(len(summaries))}</style></head><body>",
        f"<header><h1>{name}</h1>{_lead(facts, leading)}</header>",
        f'<nav class="contents" aria-label="Contents"><ul>{links}</ul></nav><main>',
        *(_section(heading, content) for heading, content in shown),
        "</main></body></html>",
    ]
    return "\n".join(parts) + "\n"


def _section(heading: str, content: str) -> str:
    switched = ' class="switch"' if 'class="choices"' in content else ""
    return f'<section id="{_anchor(heading)}"{switched}><h2>{heading}</h2>{content}</section>'


def _anchor(heading: str) -> str:
    return slug(heading).lower()


def _lead(facts: Facts, summary: Summary) -> str:
    failed = sum(result.status != "ok" for result in facts.results)
    counts = (
        f"{count(len(summary.tasks), 'task')} × {count(len(summary.methods), 'method')} × "
        f"{count(len(summary.seeds), 'seed')}: {count(len(facts.results), 'run')}"
    )
    searched = "" if facts.search is None else f'<p class="lead">{html.escape(facts.search.sentence)}</p>'
    return f'<p class="lead">{counts}{f", {failed} without a result" if failed else ""}.</p>{searched}'


def _search(report: SearchReport | None) -> str:
    if report is None:
        return ""
    more = '<p class="note">All trials with their settings and scores: search.md beside this page.</p>'
    return "".join(map(to_html, search_sheets(report))) + more


def _rules(ranking: Ranking) -> str:
    return to_html(rule_sheet(ranking)) + _sentences([rule_sentence(ranking)])


def _tasks(selections: Sequence[Selection]) -> str:
    # With one task the section before this one has the table already.
    own = [selection for selection in selections if selection.tasks == 1] if len(selections) > 1 else []
    return "".join(
        f"<details><summary>{html.escape(selection.task)}</summary>{to_html(accuracy_sheet(selection))}</details>"
        for selection in own
    )


def _significance(facts: Facts, rule: str, others: bool) -> str:
    sheet = significance_sheet(facts.significance)
    sentences = [*ranking_sentences(facts.significance), *facts.remarks]
    more = f'<p class="note">Under {html.escape(rule)}; under the other rules: significance.md beside this page.</p>'
    # Without a method to compare, headings over nothing would look like a table that failed.
    table = to_html(sheet) if sheet.rows else _sentences(sheet.notes)
    return table + _sentences(sentences) + (more if others else "")


def _sentences(sentences: Iterable[str]) -> str:
    return "".join(f'<p class="note">{html.escape(sentence)}</p>' for sentence in sentences)


def _left_out(tasks: Sequence[str]) -> str:
    names = html.escape(", ".join(tasks))
    return f'<p class="note">By table only, to keep this page small: {names}.</p>' if tasks else ""


def _picture_sections(pictures: Sequence[Picture]) -> list[tuple[str, str]]:
    sections: list[tuple[str, str]] = []
    budget = MOST_PICTURE_BYTES
    for kind, (heading, explanation, size) in _KINDS.items():
        figures, dropped = [], 0
        for picture in pictures:
            if picture.kind != kind:
                continue
            data = picture.path.read_bytes()
            if len(data) > budget:
                dropped += 1
                continue
            budget -= len(data)
            figures.append(_figure(picture, data, size))
        more = f'<p class="note">{dropped} more in the folder <code>pictures</code> beside this page.</p>'
        content = (
            f'<p class="note">{explanation}</p>{more if dropped else ""}'
            f'<div class="pictures {size}">{"".join(figures)}</div>'
        )
        sections.append((heading, content if figures or dropped else ""))
    return sections


def _figure(picture: Picture, data: bytes, size: str) -> str:
    encoded = base64.b64encode(data).decode()
    image = f'<img alt="{html.escape(picture.alt)}" src="data:image/png;base64,{encoded}">'
    # On a phone a large picture keeps a readable size and scrolls; a small one fits.
    box = f'<div class="scroll" tabindex="0" role="region" aria-label="{html.escape(picture.title)}">'
    shown = image if size == "small" else f"{box}{image}</div>"
    return f"<figure>{shown}<figcaption>{html.escape(picture.title)}</figcaption></figure>"
