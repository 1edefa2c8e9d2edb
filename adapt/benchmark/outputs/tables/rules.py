"""The rules ranked by how well their scores rank checkpoints, as tables and in a sentence."""

from collections.abc import Mapping
from dataclasses import replace

from adapt.benchmark.outputs.table import Entry, Rank, Table, Value, accuracy, points, unit_of
from adapt.benchmark.outputs.tables.accuracy import best_two
from adapt.benchmark.outputs.words import looks_at, short_name
from adapt.benchmark.statistics.estimates import Estimate
from adapt.benchmark.statistics.rank_correlation import Correlation
from adapt.benchmark.statistics.rule_ranks import FEWEST_PAIRS, Quality, RuleRanks
from adapt.benchmark.vocabulary import AVERAGE, count

COLUMNS = (
    "task",
    "method",
    "rule",
    "weighted_spearman",
    "low",
    "high",
    "spearman",
    "within_method",
    "gap",
    "gap_ci95",
    "checkpoints",
    "left_out",
    "undefined_because",
)
"""Of `rules.csv`: a line per rule over everything, one per task, and one per task and method."""

ALL = "all"

_MEASURES = ("Weighted ρ", "ρ", "Weighted ρ within a method", "Gap to the oracle", "Checkpoints")


def rule_table(ranking: RuleRanks) -> Table:
    """A row per rule, the best first."""
    qualities = ranking.qualities

    def gap_entry(q: Quality) -> Entry:
        return accuracy(q.gap, 0, unit=unit_of(ranking.gaps_of, "difference"))

    marks = [
        _marks({q.rule: q.weighted for q in qualities}, 2),
        _marks({q.rule: q.plain for q in qualities}, 2),
        _marks({q.rule: q.within for q in qualities}, 2),
        best_two({q.rule: gap_entry(q).shown for q in qualities if gap_entry(q).value is not None}, higher=False),
    ]
    rows = tuple(
        (q.rule, looks_at(q.rule), _entries(q, gap_entry(q), [mark.get(q.rule, "") for mark in marks]))
        for q in qualities
    )
    words = ranking.measure.words
    caption = f"Ranking quality of each rule: Spearman correlation ρ of score and target {words}, {_over(ranking)}."
    return Table(caption, _MEASURES, rows, tuple(_notes(ranking)), head=("Rule", "Looks at"))


def rule_details(ranking: RuleRanks) -> list[Table]:
    """A table per rule: a row over everything, one per task, and one per task and method."""
    return [_details(q) for q in ranking.qualities]


def rule_sentence(ranking: RuleRanks) -> str:
    """Which rule ranked best, or why none can be said to."""
    best = ranking.best
    if best is None or best.weighted is None:
        why = "no score differs between checkpoints" if ranking.checkpoints else "no run has scores in its metrics.csv"
        return f"No ranking of the rules: {why}."
    interval = "" if best.interval is None else f" [{best.interval[0]:.2f}, {best.interval[1]:.2f}]"
    gap = best.gap
    lost = ""
    if gap is not None and gap.mean is not None:
        measure = ranking.gaps_of
        where = "below" if measure.higher else "above"
        of = "points of" if measure.share else "of"
        lost = f"; it chooses {points(gap, measure)} {of} {measure.words} {where} the oracle"
    return (
        f"The label-free rule that ranked best here: {best.rule}, weighted ρ {best.weighted:.2f}{interval} over "
        f"{count(best.checkpoints, 'checkpoint')}{lost}."
    )


def _details(q: Quality) -> Table:
    low, high = q.interval or (None, None)
    gap = q.gap or Estimate(None, None, 0, 0)
    record: dict[str, Value] = {
        "task": AVERAGE,
        "method": ALL,
        "rule": q.rule,
        "weighted_spearman": q.weighted,
        "low": low,
        "high": high,
        "spearman": q.plain,
        "within_method": q.within,
        "gap": gap.mean,
        "gap_ci95": gap.ci,
        "checkpoints": q.checkpoints,
        "left_out": q.left_out,
    }
    average = Entry(q.weighted, "ratio", interval=q.interval, record=record)
    rows = [(AVERAGE, ALL, (average, Entry(q.plain, "ratio"), Entry(q.checkpoints)))]
    found: list[tuple[str, str, Correlation]] = [(task, ALL, c) for task, c in q.tasks.items()]
    found += [(task, method, c) for (task, method), c in q.methods.items()]
    for task, method, c in found:
        record = {
            "task": task,
            "method": method,
            "rule": q.rule,
            "weighted_spearman": c.weighted,
            "spearman": c.plain,
            "checkpoints": c.n,
            "left_out": c.left_out,
            "undefined_because": c.reason,
        }
        rows.append((task, method, (Entry(c.weighted, "ratio", record=record), Entry(c.plain, "ratio"), Entry(c.n))))
    return Table(q.rule, ("Weighted ρ", "ρ", "Checkpoints"), tuple(rows), head=("Task", "Method"))


def _entries(q: Quality, gap: Entry, marks: list[Rank]) -> tuple[Entry, ...]:
    constant = q.weighted is None and q.tasks and any("constant" in (c.reason or "") for c in q.tasks.values())
    weighted, plain, within = (
        Entry(value, "ratio", interval=interval, rank=rank)
        for value, interval, rank in zip((q.weighted, q.plain, q.within), (q.interval, None, None), marks, strict=False)
    )
    return (
        Entry(aside="constant") if constant else weighted,
        plain,
        within,
        replace(gap, rank=marks[3]) if gap.value is not None else gap,
        Entry(q.checkpoints) if q.tasks else Entry(),
    )


def _notes(ranking: RuleRanks) -> list[str]:
    qualities = ranking.qualities
    notes = [
        "Weighted ρ: Spearman correlation in which checkpoints count more that are, or look, good (Musgrave et al., "
        "arXiv 2208.07360); per task over all methods, seeds and checkpoints, then averaged over tasks. "
        "Within a method: over the checkpoints of one method on one task, then averaged over both.",
        "Rules by name: " + "; ".join(f"{q.rule}: {short_name(q.rule)}" for q in qualities) + ".",
    ]
    if any(q.interval for q in qualities):
        notes.append("In brackets: 95% interval, bootstrap over tasks and the seeds within them (1000 draws, seeded).")
    elif ranking.checkpoints:
        notes.append(f"No interval: it needs {FEWEST_PAIRS} pairs of task and seed, found {ranking.pairs}.")
    if any(q.gap and q.gap.mean is not None for q in qualities):
        gaps = [q.gap for q in qualities if q.gap is not None and q.gap.interval is not None]
        beside = " ± 95% interval over seeds" if any(gap.even for gap in gaps) else ""
        unit = ", in points" if ranking.gaps_of.share else ""
        notes.append(
            f"Gap to the oracle: target test {ranking.gaps_of.words} lost{unit}, "
            "mean of the methods that adapt and have a result "
            f"under every rule{beside or (' [range of two seeds]' if gaps else '')}."
        )
    if any(q.weighted is not None for q in qualities):
        notes.append("Bold: best, underlined: second best of a column.")
    missing = [f"{q.rule} {q.left_out}" for q in qualities if q.left_out]
    if missing:
        notes.append(
            f"Left out, without a finite score: {', '.join(missing)} of {len(ranking.checkpoints)} checkpoints."
        )
    undefined = {q.rule: [t for t, c in q.tasks.items() if c.weighted is None] for q in qualities}
    for q in qualities:
        if undefined[q.rule]:
            reasons = "; ".join(dict.fromkeys(str(q.tasks[t].reason) for t in undefined[q.rule]))
            where = f"{len(undefined[q.rule])} of {count(len(q.tasks), 'task')}"
            notes.append(f"{q.rule}: no correlation on {where}: {reasons}.")
    return notes


def _marks(values: Mapping[str, float | None], digits: int) -> dict[str, Rank]:
    return best_two({rule: round(value, digits) for rule, value in values.items() if value is not None})


def _over(ranking: RuleRanks) -> str:
    if not ranking.checkpoints:
        return f"no checkpoint with a target {ranking.measure.words} in metrics.csv"
    counts = (len(ranking.checkpoints), len(ranking.methods), len(ranking.tasks))
    checkpoints, methods, tasks = (
        count(n, noun) for n, noun in zip(counts, ("checkpoint", "method", "task"), strict=True)
    )
    seeds = count(len({c.seed for c in ranking.checkpoints}), "seed")
    return f"over {checkpoints} of {methods}, {tasks} and {seeds}"
