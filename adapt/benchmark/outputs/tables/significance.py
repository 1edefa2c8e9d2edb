"""Which differences are more than chance: tests against source-only, and ranks over tasks."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from adapt.benchmark.outputs.table import Entry, Table, Value, accuracy, bracket_notes, p_value, unit_of
from adapt.benchmark.outputs.words import difference_of, labels_used, rule_name
from adapt.benchmark.statistics.analysis import Significance
from adapt.benchmark.statistics.estimates import Estimate
from adapt.benchmark.statistics.paired_tests import ALPHA, Comparison, fewest_pairs, smallest_p
from adapt.benchmark.vocabulary import SOURCE_ONLY, UNSUPERVISED, count
from adapt.measures import Measure

COLUMNS = (
    *("rule", "method", "setting", "tasks", "runs", "better", "worse", "mean_difference", "ci95", "interval_over"),
    *("median_difference", "wilcoxon_p", "holm_p", "rank_biserial", "verdict", "average_rank"),
)
"""Of `significance.csv`: differences of shares in [−1, 1], not in points; positive where the method is better."""

COMPARISON_COLUMNS = ("Tasks", "+ / − / =", "Mean difference", "Median", "p", "p (Holm)", "Effect r")

# Demšar (2006): from here on the χ² approximation is good.
_MANY_TASKS = 10


def significance_table(found: Significance, cautions: Sequence[str] = ()) -> Table:
    """Each method's paired difference to source-only, and its average rank, if any; cautions end its notes."""
    summary, ranks, baseline = found.summary, found.ranking.ranks, found.summary.baseline
    compared = {c.method: c for c in found.comparisons}
    rows = []
    for method in summary.methods:
        # Source-only has a row beside the methods that are compared with it, and none alone.
        if method not in compared and method not in ranks and not (compared and method == baseline):
            continue
        record: dict[str, Value] = {"rule": summary.rule, "method": method, "setting": summary.settings[method]}
        if method in ranks:
            record["average_rank"] = ranks[method]
        c = compared.get(method)
        if c is not None:
            entries = comparison_entries(c, summary.measure, record)
        else:
            first = Entry(record=record if method in ranks else {})
            entries = (first, *[Entry()] * (len(COMPARISON_COLUMNS) - 1))
        rank = [Entry(ranks.get(method), "ratio")] if ranks else []
        rows.append((method, labels_used(summary.settings[method]), (*entries, *rank)))
    caption = (
        f"Difference to {baseline or 'source-only'} in {difference_of(summary.measure)}, paired by task and seed, with "
        f"seeds averaged. Model selection: {rule_name(summary.rule, summary.headline)}."
    )
    columns = (*COMPARISON_COLUMNS, *(["Average rank"] if ranks else []))
    notes = (
        comparison_notes(found.comparisons, summary.units)
        if compared
        else ["No source-only with a method beside it to compare."]
    )
    return Table(caption, columns, tuple(rows), (*notes, *cautions))


def comparison_entries(c: Comparison, measure: Measure, about: Mapping[str, Value] | None = None) -> tuple[Entry, ...]:
    """One method's entries under `COMPARISON_COLUMNS`; with what they are about they are a line of the CSV file."""
    unit = unit_of(measure, "gain")
    record: dict[str, Value] = {
        **(about or {}),
        "tasks": c.n,
        "runs": c.runs,
        "better": c.better,
        "worse": c.worse,
        "mean_difference": c.mean,
        "ci95": c.ci,
        "interval_over": None if c.ci is None else "tasks" if c.over_tasks else "seeds",
        "median_difference": c.median,
        "wilcoxon_p": c.p,
        "holm_p": c.p_holm,
        "rank_biserial": c.effect,
        "verdict": c.verdict or ("none" if c.p is not None else "not possible"),
    }
    pairs = Entry(c.n, record=record if about else {})
    if c.mean is None:
        return (pairs, *[Entry()] * (len(COMPARISON_COLUMNS) - 1))
    return (
        pairs,
        Entry(f"{c.better} / {c.worse} / {c.n - c.better - c.worse}"),
        replace(
            accuracy(c.estimate or Estimate(c.mean, None, 0, 0), 0, unit=unit),
            value=c.mean,
            rank="best" if c.verdict == "better" else "",
            mark="worse" if c.verdict == "worse" else None,
        ),
        Entry(c.median, unit),
        *(Entry("no verdict") if p is None else Entry(p, "p") for p in (c.p, c.p_holm)),
        Entry(c.effect, "signed ratio"),
    )


def comparison_notes(comparisons: Sequence[Comparison], units: Mapping[str, str] | None = None) -> list[str]:
    """What the columns are, and what the numbers cannot say."""
    tested = [c for c in comparisons if c.p is not None]
    found = [c for c in comparisons if c.n]
    sentences = [
        "A difference is averaged over the seeds of a task first: the task is what is counted. + / − / =: tasks above, "
        "below and equal. p: Wilcoxon signed-rank test over tasks, two-sided, Holm-corrected over the methods tested. "
        "r: matched-pairs rank-biserial correlation, from −1 (always worse) to 1 (always better)."
    ]
    kinds = {c.over_tasks for c in found if c.estimate is not None and c.estimate.interval is not None}
    if True in kinds:
        sentences.append("± 95% interval: Student t over tasks.")
    if False in kinds:
        where = "Where there are fewer than " + str(fewest_pairs(1)) + " tasks: " if True in kinds else ""
        sentences.append(
            f"{where}± 95% interval: Student t over seeds, of differences averaged over tasks, so it says how far runs "
            "on these tasks vary."
        )
    sentences += bracket_notes([c.estimate for c in comparisons if c.estimate is not None])
    if any(c.estimate is None or c.estimate.interval is None for c in found):
        sentences.append("Without ±: one seed alone, or seeds that lack different tasks.")
    shared = Counter((units or {}).values())
    for pair, times in shared.items():
        sentences.append(f"{times} of the tasks are the pair {pair}: they share data and runs, and count as one.")
    if found and not tested:
        most, needed = max(c.n for c in found), fewest_pairs(max(1, len(found)))
        sentences.append(
            f"No verdict is possible: {count(most, 'task')} and {count(len(found), 'method')}, and a p over tasks, "
            f"Holm-corrected, can fall below {ALPHA} only from {needed} tasks on (with one method from "
            f"{fewest_pairs(1)})."
        )
    elif any(c.p is None for c in found):
        most = max(c.n for c in found if c.p is None)
        sentences.append(f"No verdict: {count(most, 'task')} cannot reach a p below {p_value(smallest_p(most))}.")
    if tested:
        sentences.append(
            f"Bold or ↓: better or worse with a Holm-corrected p below {ALPHA} and an interval on that side of zero. "
            "No mark is no sign of equality. Tasks that share a domain are not independent, which makes p smaller than "
            "it should be."
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
            "Rank 1 is the best; ranked are the methods without target labels that lost no task and no seed"
            + (f", so not {', '.join(unranked)}." if unranked else ".")
        )
    elif ranking.left_out:
        sentences.append(f"Not ranked, since they lost a task or a seed: {', '.join(ranking.left_out)}.")
    return sentences


def _relation(p: float) -> str:
    return p_value(p) if p < 0.0001 else f"= {p_value(p)}"
