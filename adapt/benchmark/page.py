"""The one HTML page of a benchmark: no script, no network, one file."""

import base64
import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from adapt.benchmark.pictures import Picture
from adapt.benchmark.progress import duration
from adapt.benchmark.results import CellResult
from adapt.benchmark.search_table import SearchReport, search_sheets
from adapt.benchmark.selection_table import Selection, negative_transfers, selection_sheets
from adapt.benchmark.sheet import to_html
from adapt.benchmark.significance_table import Significance, ranking_sentences, significance_sheet
from adapt.benchmark.statistics import Summary
from adapt.benchmark.tables import html_table, rule_name

# Base64 makes four characters of three bytes.
MOST_PICTURE_BYTES = 5_500_000

_KINDS = {
    "critical-difference": (
        "Average ranks",
        "Further left is better. Methods under one thick bar are not told apart: their ranks lie within the critical "
        "difference (Nemenyi, 0.05).",
        "full",
    ),
    "bars": ("Accuracy", "Bars are means over seeds; the dashed line is source-only.", "wide"),
    "curves": ("Learning curves", "Mean over seeds; the band is the 95% interval.", "full"),
    "embedding": (
        "Features before and after",
        "Test features in the plane (PCA, then t-SNE): filled circles are source, crosses target. "
        "Distances between far groups mean little in such pictures.",
        "wide",
    ),
    "confusion": ("Confusion on the target", "First seed; percent of each true class.", "small"),
}

_STYLE = """
:root { color-scheme: light dark; --ink: #1d1f23; --paper: #ffffff; --faint: #5c626c; --line: #d8dbe0; --card: #f5f6f8;
  --accent: #0a5ca8; --bad: #a4321f; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --paper: #15171a; --faint: #a2a9b4; --line: #383d45;
  --card: #1f2226; --accent: #7db8f0; --bad: #ff9d8a; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 1.5rem 1rem 4rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.7rem; margin: 0 0 .3rem; } h2 { font-size: 1.25rem; margin: 2.4rem 0 .6rem; }
h3 { font-size: 1rem; margin: 1.4rem 0 .4rem; }
p { margin: .4rem 0; } .lead, .note, figcaption { color: var(--faint); } .note, figcaption { font-size: .875rem; }
.scroll { overflow-x: auto; margin: .6rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .95rem; }
th, td { padding: .35rem .8rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
thead th { border-bottom: 2px solid var(--line); } tbody th { font-weight: 500; }
th:first-child { text-align: left; position: sticky; left: 0; background: var(--paper); }
th small { display: block; color: var(--faint); font-weight: 400; font-size: .75rem; }
td small { color: var(--bad); } strong { color: var(--accent); }
.pictures { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 30rem), 1fr)); }
.pictures.small { grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr)); }
.pictures.full { grid-template-columns: 1fr; }
figure { margin: 0; } img { display: block; width: 100%; height: auto; background: #fff; border-radius: 6px;
  border: 1px solid var(--line); }
pre, code { font: .85rem/1.5 ui-monospace, monospace; }
pre { background: var(--card); border-radius: 6px; padding: .7rem; overflow-x: auto; white-space: pre-wrap; }
dl { display: grid; grid-template-columns: minmax(7rem, max-content) 1fr; gap: .2rem 1rem; }
dt { color: var(--faint); } dd { margin: 0; min-width: 0; }
.failed { border-left: 3px solid var(--bad); padding-left: .8rem; margin: .8rem 0; }
@media (max-width: 36rem) { th, td { padding: .3rem .45rem; } table { font-size: .85rem; }
  td small { display: block; } th small { white-space: normal; } }
"""


@dataclass(frozen=True)
class Facts:
    """What a page says beside tables and pictures."""

    benchmark: str
    command: str
    results: Sequence[CellResult]
    tasks_without_pictures: Sequence[str]
    selection: Selection
    significance: Significance
    remarks: Sequence[str]
    search: SearchReport | None = None


def build_page(facts: Facts, summaries: Sequence[Summary], pictures: Sequence[Picture]) -> str:
    """The page as text; the first summary leads, the others follow the pictures."""
    name = html.escape(facts.benchmark)
    leading, *others = summaries
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{name}: benchmark</title><style>{_STYLE}</style></head><body>",
        f"<header><h1>{name}</h1>{_lead(facts, leading)}</header><main>",
        f"<section><h2>Result</h2>{html_table(leading)}{_sentences(negative_transfers(summaries))}</section>",
        *_search(facts.search),
        *_selection(facts.selection),
        *_significance(facts, len(others)),
        *_picture_sections(pictures, facts.tasks_without_pictures),
    ]
    if others:
        parts.append("<section><h2>Under other selection rules</h2>")
        parts += [f"<h3>{html.escape(rule_name(summary.rule))}</h3>{html_table(summary)}" for summary in others]
        parts.append("</section>")
    parts += [_failures(facts.results), _provenance(facts), "</main></body></html>"]
    return "\n".join(part for part in parts if part) + "\n"


def _lead(facts: Facts, summary: Summary) -> str:
    failed = sum(result.status != "ok" for result in facts.results)
    counts = (
        f"{_count(len(summary.tasks), 'task')} × {_count(len(summary.methods), 'method')} × "
        f"{_count(len(summary.seeds), 'seed')}: {_count(len(facts.results), 'run')}"
    )
    searched = "" if facts.search is None else f'<p class="lead">{html.escape(facts.search.sentence)}</p>'
    return f'<p class="lead">{counts}{f", {failed} without a result" if failed else ""}.</p>{searched}'


def _search(report: SearchReport | None) -> list[str]:
    if report is None:
        return []
    more = '<p class="note">All trials with their settings and scores: search.md beside this page.</p>'
    return ["<section><h2>Hyperparameter search</h2>", *map(to_html, search_sheets(report)), more, "</section>"]


def _selection(selection: Selection) -> list[str]:
    if len(selection.rules) < 2:
        return []
    return ["<section><h2>Model selection</h2>", *map(to_html, selection_sheets(selection)), "</section>"]


def _significance(facts: Facts, others: int) -> list[str]:
    sheet = significance_sheet(facts.significance)
    sentences = [*ranking_sentences(facts.significance), *facts.remarks]
    more = '<p class="note">Under the other rules: significance.md beside this page.</p>' if others else ""
    # Without a method to compare, headings over nothing would look like a table that failed.
    table = to_html(sheet) if sheet.rows else _sentences(sheet.notes)
    return ["<section><h2>Significance</h2>", table, _sentences(sentences), more, "</section>"]


def _sentences(sentences: Iterable[str]) -> str:
    return "".join(f'<p class="note">{html.escape(sentence)}</p>' for sentence in sentences)


def _picture_sections(pictures: Sequence[Picture], left_out: Sequence[str]) -> list[str]:
    parts: list[str] = []
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
            encoded = base64.b64encode(data).decode()
            figures.append(
                f'<figure><img alt="{html.escape(picture.alt)}" src="data:image/png;base64,{encoded}">'
                f"<figcaption>{html.escape(picture.title)}</figcaption></figure>"
            )
        if figures or dropped:
            parts.append(f'<section><h2>{heading}</h2><p class="note">{explanation}</p>')
            if dropped:
                parts.append(
                    f'<p class="note">{dropped} more in the folder <code>pictures</code> beside this page.</p>'
                )
            parts.append(f'<div class="pictures {size}">{"".join(figures)}</div></section>')
    if left_out:
        names = html.escape(", ".join(left_out))
        parts.append(f'<p class="note">By table only, to keep this page small: {names}.</p>')
    return parts


def _failures(results: Sequence[CellResult]) -> str:
    failed = [result for result in results if result.status != "ok"]
    if not failed:
        return ""
    entries = "".join(
        f'<div class="failed"><p>{html.escape(result.name)}: {result.status}</p>'
        f"<pre>{html.escape((result.error or 'no reason known')[:2000])}</pre></div>"
        for result in failed
    )
    note = '<p class="note">Tracebacks: error.txt of each run.</p>'
    return f"<section><h2>Runs without a result</h2>{note}{entries}</section>"


def _provenance(facts: Facts) -> str:
    results = facts.results
    seconds = sum(result.wall_seconds for result in results)
    rows: Mapping[str, Sequence[str]] = {
        "commit": _distinct(result.commit or "unknown" for result in results),
        "device": _distinct(f"{result.device}, {_count(result.threads, 'thread')}" for result in results),
        "versions": _distinct(", ".join(f"{k} {v}" for k, v in result.versions.items()) for result in results),
        "started": [min(result.started for result in results)],
        "total time of all runs": [duration(seconds)],
    }
    listed = "".join(f"<dt>{key}</dt><dd>{html.escape('; '.join(values))}</dd>" for key, values in rows.items())
    command = html.escape(facts.command or _distinct(result.command for result in results)[0])
    return f"<section><h2>How it was made</h2><pre>{command}</pre><dl>{listed}</dl></section>"


def _distinct(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
