"""Tests between methods, as a table, sentences and numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

from adapt.benchmark.csv_files import csv_text
from adapt.benchmark.plan import SOURCE_ONLY, UNSUPERVISED
from adapt.benchmark.ranking import FEWEST_TASKS, Ranking, rank_methods
from adapt.benchmark.results import CellResult
from adapt.benchmark.sheet import MISSING, Entry, Sheet, to_markdown
from adapt.benchmark.significance import (
    ALPHA,
    Comparison,
    against_source_only,
    baseline_of,
    fewest_pairs,
    smallest_p,
)
from adapt.benchmark.statistics import Summary
from adapt.benchmark.tables import labels_used, points, rule_name

CSV_COLUMNS = (
    *("rule", "method", "setting", "pairs", "better", "worse", "mean_difference", "ci95", "median_difference"),
    *("wilcoxon_p", "holm_p", "rank_biserial", "average_rank"),
)

# Demšar (2006): from here on the χ² approximation is good.
_MANY_TASKS = 10


@dataclass(frozen=True)
class Significance:
    """Everything that was tested under one selection rule.

    Attributes:
        summary: The results that it is about.
        baseline: The method that the others are compared with; None without source-only.
        comparisons: The others.
        ranking: Average ranks over tasks, and their test.
    """

    summary: Summary
    baseline: str | None
    comparisons: tuple[Comparison, ...]
    ranking: Ranking


def examine(results: Sequence[CellResult], summary: Summary) -> Significance:
    """Test all methods of a grid under the summary's rule."""
    comparisons = against_source_only(results, summary)
    return Significance(summary, baseline_of(summary), comparisons, rank_methods(summary))


def significance_sheet(found: Significance) -> Sheet:
    """Each method's paired difference to source-only, and its average rank where there are ranks."""
    summary, ranks = found.summary, found.ranking.ranks
    compared = {c.method: c for c in found.comparisons}
    rows = []
    for method in summary.methods:
        # Source-only has a row beside the methods that are compared with it, and none alone.
        if method not in compared and method not in ranks and not (compared and method == found.baseline):
            continue
        c = compared.get(method)
        entries = [Entry(MISSING)] * len(COMPARISON_COLUMNS) if c is None else comparison_entries(c)
        rank = [Entry(f"{ranks[method]:.2f}" if method in ranks else MISSING)] if ranks else []
        rows.append((method, labels_used(summary.settings[method]), (*entries, *rank)))
    caption = (
        f"Difference to {found.baseline or 'source-only'} in points of target test accuracy, paired by task and seed. "
        f"Model selection: {rule_name(summary.rule)}."
    )
    columns = (*COMPARISON_COLUMNS, *(["Average rank"] if ranks else []))
    notes = comparison_notes(found.comparisons) if compared else ["No source-only with a method beside it to compare."]
    return Sheet(caption, columns, tuple(rows), tuple(notes))


COMPARISON_COLUMNS = ("Pairs", "+ / − / =", "Mean difference", "Median", "p", "p (Holm)", "Effect r")


def comparison_entries(c: Comparison) -> tuple[Entry, ...]:
    """One method's entries under `COMPARISON_COLUMNS`."""
    if c.mean is None or c.median is None or c.effect is None:
        return (Entry("0"), *[Entry(MISSING)] * (len(COMPARISON_COLUMNS) - 1))
    few = Entry("too few pairs")
    worse = "↓" if c.verdict == "worse" else ""
    return (
        Entry(str(c.n)),
        Entry(f"{c.better} / {c.worse} / {c.n - c.better - c.worse}"),
        Entry(points(c.mean, c.ci, "+"), "best" if c.verdict == "better" else "", worse),
        Entry(points(c.median, sign="+")),
        few if c.p is None else Entry(p_value(c.p)),
        few if c.p_holm is None else Entry(p_value(c.p_holm)),
        Entry(f"{c.effect:+.2f}"),
    )


def comparison_notes(comparisons: Sequence[Comparison]) -> list[str]:
    """What the columns are, and what the numbers cannot say."""
    tested = [c for c in comparisons if c.p is not None]
    sentences = [
        "+ / − / =: pairs above, below and equal. ± 95% interval: Student t over seeds, of differences averaged over "
        "tasks. p: Wilcoxon signed-rank test, two-sided, Holm-corrected over the methods tested. r: matched-pairs "
        "rank-biserial correlation, from −1 (always worse) to 1 (always better)."
    ]
    if any(c.mean is not None and c.ci is None for c in comparisons):
        sentences.append("Without ±: one seed alone, or seeds that lack different tasks.")
    if any(c.p is None and c.n for c in comparisons):
        most = max(c.n for c in comparisons if c.p is None)
        sentences.append(
            f"Too few pairs: {most} cannot reach a two-sided p below {p_value(smallest_p(most))}; "
            f"{ALPHA} needs {fewest_pairs(1)}."
        )
    if any(len(tested) * smallest_p(c.n) > ALPHA for c in tested):
        sentences.append(
            f"With {len(tested)} methods a Holm-corrected p surely gets below {ALPHA} only from "
            f"{fewest_pairs(len(tested))} pairs on: a larger one is no sign of equality."
        )
    if any(c.verdict == "better" for c in comparisons):
        sentences.append(f"Bold: better with a Holm-corrected p below {ALPHA}.")
    if any(c.verdict == "worse" for c in comparisons):
        sentences.append(f"↓ worse with a Holm-corrected p below {ALPHA}.")
    if tested:
        sentences.append(
            "Seeds of one task are not independent of each other: p speaks of runs on these tasks, not of new tasks."
        )
    return sentences


def ranking_sentences(found: Significance) -> list[str]:
    """Friedman's test over tasks in words, or why there is none."""
    ranking, k = found.ranking, len(found.ranking.ranks)
    sentences = []
    if ranking.why_not:
        sentences.append(f"No Friedman test over tasks: {ranking.why_not}.")
    elif ranking.statistic is not None and ranking.p is not None:
        sentences.append(
            f"Friedman test over {ranking.tasks} tasks and {k} methods, seeds averaged: χ²({k - 1}) = "
            f"{ranking.statistic:.2f}, p {_relation(ranking.p)}. Nemenyi critical difference at {ALPHA}: "
            f"{ranking.critical_difference:.2f} ranks."
        )
        if ranking.p >= ALPHA:
            sentences.append("No difference between the methods was found over tasks.")
        else:
            alike = "; ".join(", ".join(group) for group in ranking.alike())
            sentences.append(f"Ranks not told apart: {alike}." if alike else "All ranks are told apart.")
        if ranking.tasks < _MANY_TASKS:
            sentences.append(f"The χ² approximation is rough below {_MANY_TASKS} tasks.")
        sentences.append("Tasks that share a domain are not independent, which makes p smaller than it should be.")
    if ranking.ranks:
        others = [m for m in found.summary.methods if found.summary.settings[m] not in (SOURCE_ONLY, UNSUPERVISED)]
        unranked = [*ranking.left_out, *others]
        sentences.append(
            "Rank 1 is the best; ranked are the methods without target labels that have a result on every task"
            + (f", so not {', '.join(unranked)}." if unranked else ".")
        )
    elif ranking.tasks >= FEWEST_TASKS and ranking.left_out:
        sentences.append(f"Without a result on some task: {', '.join(ranking.left_out)}.")
    return sentences


def significance_markdown(tests: Sequence[Significance], diagram: str = "") -> str:
    """A section per selection rule; the first shows the diagram."""
    parts = []
    for found in tests:
        sentences = "\n".join(f"{sentence}  " for sentence in ranking_sentences(found)).rstrip()
        parts.append(f"## {found.summary.rule}\n\n{to_markdown(significance_sheet(found))}\n{sentences}\n")
    if diagram:
        parts[0] += f"\n{diagram}\n"
    return "\n".join(["# Which differences are more than chance\n", *parts])


def significance_csv(tests: Sequence[Significance]) -> str:
    """The lines of `CSV_COLUMNS` as text."""
    return csv_text(CSV_COLUMNS, significance_rows(tests), ".6g")


def significance_rows(tests: Sequence[Significance]) -> list[list[str | float | int | None]]:
    """One line per rule and method; differences in accuracy, not in points. Source-only has a rank alone."""
    rows: list[list[str | float | int | None]] = []
    for found in tests:
        rule, ranks = found.summary.rule, found.ranking.ranks
        if found.baseline is not None and found.baseline in ranks:
            rows.append([rule, found.baseline, SOURCE_ONLY, *[None] * 9, ranks[found.baseline]])
        for c in found.comparisons:
            numbers = [c.n, c.better, c.worse, c.mean, c.ci, c.median, c.p, c.p_holm, c.effect]
            rows.append([rule, c.method, found.summary.settings[c.method], *numbers, ranks.get(c.method)])
    return rows


def p_value(p: float) -> str:
    """A p as a table shows it."""
    return "< 0.0001" if p < 0.0001 else f"{p:.4f}" if p < 0.01 else f"{p:.3f}"


def _relation(p: float) -> str:
    return p_value(p) if p < 0.0001 else f"= {p_value(p)}"
