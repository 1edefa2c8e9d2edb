"""The one HTML page of a benchmark: one file that asks nothing of the network, and works without scripts."""

import base64
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from adapt.analysis import counted
from adapt.benchmark.outputs.answer import answer
from adapt.benchmark.outputs.cautions import cautions
from adapt.benchmark.outputs.pictures import MOST_OF_METHODS, Picture, pictured_tasks
from adapt.benchmark.outputs.render import template
from adapt.benchmark.outputs.table import Entry, Table
from adapt.benchmark.outputs.tables import accuracy, classes, estimates, rules, search, selection, shifts, significance
from adapt.benchmark.outputs.words import rule_name
from adapt.benchmark.results.results import CellResult
from adapt.benchmark.results.streams import STREAM_FILE
from adapt.benchmark.run.progress import duration
from adapt.benchmark.statistics.analysis import Analysis
from adapt.benchmark.statistics.estimates import Summary
from adapt.benchmark.vocabulary import CELL_FILE, count
from adapt.measures import wilson

# Base64 makes four characters of three bytes.
MOST_PICTURE_BYTES = 5_500_000

# A folder of 900 cells repeats its configurations; a page that is opened on a phone must not.
MOST_CONFIG_CHARACTERS = 1_000_000

_MOST_ERROR = 2000

# Kind → heading, explanation, size, and whether it is folded; `_heading` fills in the metrics.
_KINDS = {
    "stream": (
        "Running accuracy",
        "Accuracy of the predictions among the last thirtieth of the samples that had come, mean over seeds; each was "
        "made before the method saw the next batch. Lines across mark where the target changes.",
        "full",
        False,
    ),
    "curves": (
        "Learning curves",
        "Mean over seeds; the band is the 95% interval, of two seeds the range.",
        "full",
        False,
    ),
    "embedding": (
        "Features before and after",
        "Test features in the plane (PCA, then t-SNE): filled circles are source, crosses target. "
        "Distances between far groups mean little in such pictures.",
        "wide",
        False,
    ),
    "bars": ("{Measure} in bars", "Bars are means over seeds; the dashed line is source-only.", "wide", True),
    "confusion": ("Confusion on the target", "First seed; percent of each true class.", "small", True),
    "scores": (
        "Selection scores while training",
        "Every score that was recorded at validation, mean over seeds, signed such that higher is better. "
        "No score reads a target label.",
        "full",
        True,
    ),
    "selection-gap": (
        "What choosing without labels costs",
        "Further right is worse; zero is the oracle.",
        "wide",
        True,
    ),
    "rule-chance": (
        "Each rule against chance",
        "The grey band is what the same scores would reach if they said nothing; a point inside it says no more.",
        "wide",
        True,
    ),
    "rule-scatter": (
        "Scores against target {headline}",
        "A point per checkpoint; a rule that ranks well has its points on a rising line.",
        "full",
        True,
    ),
    "critical-difference": (
        "Average ranks",
        "Further left is better. Methods under one thick bar are not told apart: their ranks lie within the critical "
        "difference (Nemenyi, 0.05).",
        "full",
        True,
    ),
}

_HERE = Path(__file__).parent
_ABSOLUTE = re.compile(r"""(?<![\w./~])(?:/(?:[^\s/'"`:,;<>()]+/)+|[A-Za-z]:\\(?:[^\s\\'"`:,;<>()]+\\)*)""")


def build_page(
    analysis: Analysis, pictures: Sequence[Picture], remarks: Sequence[str], related: Mapping[str, str]
) -> str:
    """The page as text; it opens with the answer, under whose rule pictures and tests are.

    Args:
        analysis: What the files say.
        pictures: What was drawn.
        remarks: What is lacking, and how to get it.
        related: Links to the pages of other benchmarks, by name.
    """
    page = _content(analysis, pictures, remarks) | {"related": related}
    page["headings"] = [heading for heading in _headings(analysis.leading) if _shown(heading, page)]
    style, script = ((_HERE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    # Neither holds anything but this project's own text.
    return template("page.html.j2").render(page=page, style=Markup(style), script=Markup(script)).lstrip()


def without_paths(text: str) -> str:
    """Text with absolute paths cut to their last part: a page is passed on, and says nothing of whose disk it was."""
    for folder, short in ((Path.cwd(), ""), (Path.home(), "~/")):
        if folder != Path(folder.anchor):
            text = re.sub(rf"(?<![\w./~]){re.escape(str(folder))}/", short, text)
    return _ABSOLUTE.sub("…/", text)


def _content(analysis: Analysis, pictures: Sequence[Picture], remarks: Sequence[str]) -> dict[str, Any]:
    leading, results, several = (
        analysis.leading,
        analysis.results,
        len(analysis.summaries) > 1 and not analysis.nothing_measured,
    )
    gains, of_classes = accuracy.gain_table(analysis), classes.class_tables(analysis, pictured_tasks(leading))
    of_shifts = shifts.shift_tables(analysis, pictured_tasks(leading))
    failed = sum(result.status != "ok" for result in results)
    command = analysis.planned.command or results[0].command
    unlabelled, estimated = accuracy.other_tasks(analysis), estimates.estimate_tables(analysis)
    tables = {
        "Model selection": (selection.selection_tables(analysis.selections[-1], cautions(analysis)), []),
        "Which rule to trust": (
            [rules.rule_table(analysis.rules, cautions(analysis))],
            [rules.rule_sentence(analysis.rules)],
        ),
    }
    return {
        "name": analysis.planned.benchmark,
        "counts": f"{count(len(analysis.tasks), 'task')} × {count(len(leading.methods), 'method')} × "
        f"{count(len(leading.seeds), 'seed')}: {count(len(results), 'run')}"
        + (f" of {len(results) + len(analysis.missing)}" if analysis.missing else "")
        + (f", {failed} without a result." if failed else "."),
        "cautions": cautions(analysis),
        "search_sentence": None if analysis.search is None else search.search_sentence(analysis.search),
        "answer": answer(analysis),
        "forest": _forest(gains),
        "heat": gains if len(gains.columns) > 1 else None,
        "most": max((abs(e.value) for e in gains.entries if isinstance(e.value, float)), default=0.0),
        "switch": [
            {
                "rule": summary.rule,
                "shown": summary is leading,
                "words": rule_name(summary.rule, summary.headline),
                "table": accuracy.headline_table(analysis, summary),
            }
            for summary in analysis.summaries
        ],
        "folded": {
            **({} if analysis.search is None else {"Hyperparameter search": _searched(analysis)}),
            **{
                heading: {"summary": "Show", "tables": found, "sentences": sentences}
                for heading, (found, sentences) in tables.items()
                if several
            },
            **(
                {"Tasks without target labels": {"summary": "Show", "tables": unlabelled, "sentences": []}}
                if unlabelled
                else {}
            ),
            **(
                {"Estimated without target labels": {"summary": "Show", "tables": estimated, "sentences": []}}
                if estimated
                else {}
            ),
            **({} if analysis.nothing_measured else {"Significance": _significance(analysis, remarks, several)}),
            **({"Each shift": {"summary": "Show", "tables": of_shifts, "sentences": []}} if of_shifts else {}),
            **({"Each class": {"summary": "Show", "tables": of_classes, "sentences": []}} if of_classes else {}),
        },
        "measure": leading.measure.words.capitalize(),
        "tasks": [
            {"name": cost.task, "table": selection.rules_table(cost, cautions(analysis))}
            for cost in analysis.selections
            # With one task the section on model selection has the table already.
            if several and cost.tasks == 1 < len(analysis.selections)
        ],
        "pictures": _pictures(pictures, leading),
        "left_out": ", ".join(task for task in leading.tasks if task not in pictured_tasks(leading)),
        "warnings": _warnings(analysis),
        "failures": [
            (r.name, r.status, without_paths((r.error or "no reason known")[:_MOST_ERROR]))
            for r in results
            if r.status != "ok"
        ],
        "cells": _cells(results, analysis.tasks, command),
        "command": without_paths(command),
        "provenance": _provenance(results),
    }


def _headings(summary: Summary) -> list[str]:
    shown = [_heading(heading, summary) for heading, *_, folded in _KINDS.values() if not folded]
    folded = [_heading(heading, summary) for heading, *_, folded in _KINDS.values() if folded]
    return [
        *(
            "Result",
            "Gain per task",
            "Tasks without target labels",
            "Estimated without target labels",
            *shown,
            *folded,
            "Hyperparameter search",
            "Model selection",
            "Each task under every rule",
        ),
        *(
            "Which rule to trust",
            "Significance",
            "Each shift",
            "Each class",
            "Warnings",
            "Runs without a result",
            "Each run",
        ),
        "How it was made",
    ]


def _heading(heading: str, summary: Summary) -> str:
    return heading.format(Measure=summary.measure.words.capitalize(), headline=summary.headline.words)


def _shown(heading: str, page: Mapping[str, Any]) -> bool:
    optional = {
        "Gain per task": "heat",
        "Each task under every rule": "tasks",
        "Warnings": "warnings",
        "Runs without a result": "failures",
    }
    if heading in ("Result", "Each run", "How it was made"):
        return True
    return bool(page[optional[heading]]) if heading in optional else heading in {**page["pictures"], **page["folded"]}


def _forest(gains: Table) -> dict[str, Any] | None:
    """The gains of the last column, over all tasks, with places in percent of what the widest interval needs."""
    column = gains.columns[-1] if gains.columns else ""
    found = [(method, labels, entries[-1]) for method, labels, entries in gains.rows if entries[-1].value is not None]
    if not found:
        return None
    found.sort(key=lambda row: float(row[2].value or 0.0), reverse=True)
    ends = [0.0, *(end for _, _, entry in found for end in entry.bounds)]
    low, high = min(ends), max(ends)
    width = (high - low) or 1.0

    def place(value: float) -> float:
        return round(4 + 92 * (value - low) / width, 2)

    def row(method: str, labels: str, entry: Entry) -> dict[str, Any]:
        left, right = entry.bounds
        return {
            "method": method,
            "labels": "" if labels == "none" else f"target labels: {labels}",
            "text": entry.plain,
            "negative": entry.mark is not None,
            "x": place(float(entry.value or 0.0)),
            "low": place(left) if left < right else None,
            "high": place(right),
        }

    caption = f"{gains.caption} {'' if len(gains.columns) == 1 else f'Column {column} of the table of gains.'}".strip()
    return {"caption": caption, "zero": place(0.0), "rows": [row(*one) for one in found], "notes": gains.notes}


def _searched(analysis: Analysis) -> dict[str, Any]:
    assert analysis.search is not None
    more = "All trials with their settings and scores: search.md beside this page."
    return {"summary": "Show", "tables": search.search_tables(analysis.search, cautions(analysis)), "sentences": [more]}


def _significance(analysis: Analysis, remarks: Sequence[str], others: bool) -> dict[str, Any]:
    table = significance.significance_table(analysis.tested, cautions(analysis))
    more = f"Under {analysis.leading.rule}; under the other rules: significance.md beside this page."
    # Without a method to compare, headings over nothing would look like a table that failed.
    return {
        "summary": "Show",
        "tables": [table] if table.rows else [],
        "sentences": [
            *([] if table.rows else table.notes),
            *significance.ranking_sentences(analysis.tested),
            *remarks,
            *([more] if others else []),
        ],
    }


def _pictures(pictures: Sequence[Picture], summary: Summary) -> dict[str, Any]:
    groups: dict[str, Any] = {}
    budget = MOST_PICTURE_BYTES
    for kind, (heading, explanation, size, folded) in _KINDS.items():
        figures, dropped = [], 0
        for picture in (picture for picture in pictures if picture.kind == kind):
            data = picture.path.read_bytes()
            if len(data) > budget:
                dropped += 1
                continue
            budget -= len(data)
            encoded = Markup(base64.b64encode(data).decode())
            figures.append({"alt": picture.alt, "title": picture.title, "data": encoded})
        full = kind in ("embedding", "confusion") and len(figures) + dropped >= MOST_OF_METHODS
        if figures or dropped:
            groups[_heading(heading, summary)] = {
                "explanation": explanation,
                "size": size,
                "folded": folded,
                "figures": figures,
                "dropped": dropped,
                "full": full,
            }
    return groups


def _warnings(analysis: Analysis) -> list[tuple[str, str, str]]:
    """Warnings per cell; cells with the same ones stand together."""
    cells: dict[tuple[str, str], list[int]] = {}
    for result, found in zip(analysis.results, analysis.warnings, strict=True):
        for warning in found:
            seeds = cells.setdefault((f"{result.task} / {result.method}", warning.text), [])
            if result.seed not in seeds:
                seeds.append(result.seed)
    return [(where, _seeds(seeds), text) for (where, text), seeds in cells.items()]


def _cells(results: Sequence[CellResult], order: Sequence[str], command: str) -> list[dict[str, Any]]:
    """Command and configuration of each cell, per task and method; equal configurations are written once."""
    budget = MOST_CONFIG_CHARACTERS
    groups: dict[tuple[str, str], list[CellResult]] = {}
    for result in results:
        groups.setdefault((result.task, result.method), []).append(result)
    tasks = []
    for task in order:
        methods = []
        for (_, method), own in ((key, own) for key, own in groups.items() if key[0] == task):
            by_config: dict[str, list[CellResult]] = {}
            for result in own:
                by_config.setdefault(_config(result) if budget > 0 else "", []).append(result)
            shown = [
                ("\n".join(_line(result, command) for result in same), config if budget > 0 else None)
                for config, same in by_config.items()
            ]
            budget -= sum(len(commands) + len(config or "") for commands, config in shown)
            about = f"{_seeds([r.seed for r in own])}, {duration(sum(r.wall_seconds for r in own))}"
            lost = sum(r.status != "ok" for r in own)
            methods.append({"name": method, "about": about, "lost": lost, "parts": shown})
        runs = sum(len(own) for key, own in groups.items() if key[0] == task)
        tasks.append({"name": task, "runs": count(runs, "run"), "methods": methods})
    return tasks


def _provenance(results: Sequence[CellResult]) -> dict[str, str]:
    """Commit, versions, device and time of the whole."""
    seconds = sum(result.wall_seconds for result in results)
    mean = duration(seconds / len(results))
    return {
        "commit": _distinct(result.commit or "unknown" for result in results),
        "device": _distinct(f"{result.device}, {count(result.threads, 'thread')}" for result in results),
        "versions": _distinct(", ".join(f"{k} {v}" for k, v in result.versions.items()) for result in results),
        "started": min(result.started for result in results),
        "total time of all runs": f"{duration(seconds)} ({count(len(results), 'run')}, {mean} each on average)",
    }


def _line(result: CellResult, command: str) -> str:
    folder = Path(*result.directory.parts[-3:])
    words = ["adapt", "fit", "--config", (folder / CELL_FILE).as_posix(), "--run_dir", "again"]
    if (result.directory / STREAM_FILE).exists():
        words = ["adapt", "stream", "--config", (folder / CELL_FILE).as_posix(), "--out", "again"]
    lines = [
        f"# seed {result.seed}: {result.status}, {duration(result.wall_seconds)}, config {result.config_hash[:12]}"
    ]
    if (found := counted(result.directory)) is not None:
        low, high = wilson(*found)
        lines.append(
            f"# target test accuracy {100 * found[0] / found[1]:.1f} % at the last step, 95% interval {100 * low:.1f} "
            f"to {100 * high:.1f} (binomial, {found[1]} samples)"
        )
    if result.command != command:
        lines.append(f"# made by: {without_paths(result.command)}")
    return "\n".join([*lines, shlex.join(words)])


def _config(result: CellResult) -> str:
    """The cell's configuration, with the seed named as such where it stands at its beginning or end."""
    try:
        text = (result.directory / CELL_FILE).read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return ""
    own = f"seed_everything: {result.seed}"
    return without_paths("\n".join("seed_everything: <seed>" if line == own else line for line in text.splitlines()))


def _seeds(seeds: Sequence[int]) -> str:
    return f"{'seed' if len(seeds) == 1 else 'seeds'} {', '.join(map(str, seeds))}"


def _distinct(values: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(values))
