"""The rules ranked by how well their scores rank checkpoints, as tables and in a sentence."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from adapt.benchmark.outputs.table import Entry, Rank, Table, Value, accuracy, p_value, points, unit_of
from adapt.benchmark.outputs.tables.accuracy import best_two
from adapt.benchmark.outputs.words import looks_at, short_name
from adapt.benchmark.statistics.chance import DRAWS, FEWEST_SWAPPED, Band
from adapt.benchmark.statistics.estimates import Estimate
from adapt.benchmark.statistics.paired_tests import ALPHA
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
    "chance_mean",
    "chance_low",
    "chance_high",
    "shuffled_mean",
    "shuffled_low",
    "shuffled_high",
    "chance_p",
    "chance_p_holm",
    "spearman",
    "within_method",
    "gap",
    "gap_ci95",
    "checkpoints",
    "left_out",
    "undefined_because",
)
"""Of `rules.csv`: a line per rule over everything, one per task, and one per task and method.

`chance_…` is what the test is made with: whole methods swapped, or, where there are too few and so no p, checkpoints
shuffled. `shuffled_…` is always the latter. The rule `perfect rule` is the ceiling.
"""

ALL = "all"

PERFECT = "perfect rule"

_MEASURES = (
    "Weighted ρ",
    "By chance",
    "p (Holm)",
    "ρ",
    "Weighted ρ within a method",
    "Gap to the oracle",
    "Checkpoints",
)


def rule_table(ranking: RuleRanks, cautions: Sequence[str] = ()) -> Table:
    """A row per rule, the best first; cautions end its notes."""
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
    if ranking.ceiling is not None:
        reached = (_banded(ranking.ceiling.overall), *[Entry()] * 3, _banded(ranking.ceiling.within))
        rows = (*rows, (PERFECT, "true accuracies", (*reached, *[Entry()] * (len(_MEASURES) - len(reached)))))
    words = f"{'test' if ranking.on_test else 'validation'} {ranking.measure.words}"
    caption = f"Ranking quality of each rule: Spearman correlation ρ of score and target {words}, {_over(ranking)}."
    return Table(caption, _MEASURES, rows, (*_notes(ranking), *cautions), head=("Rule", "Looks at"))


def rule_details(ranking: RuleRanks) -> list[Table]:
    """A table per rule: a row over everything, one per task, and one per task and method."""
    tables = [_details(q) for q in ranking.qualities]
    if (ceiling := ranking.ceiling) is not None:
        low, high = ceiling.overall.low, ceiling.overall.high
        record: dict[str, Value] = {
            **{"task": AVERAGE, "method": ALL, "rule": PERFECT, "weighted_spearman": ceiling.overall.mean},
            **{"low": low, "high": high, "within_method": None if ceiling.within is None else ceiling.within.mean},
        }
        entry = Entry(ceiling.overall.mean, "ratio", interval=(low, high), record=record)
        tables.append(Table(PERFECT, ("Weighted ρ",), ((AVERAGE, ALL, (entry,)),), head=("Task", "Method")))
    return tables


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
        f"{count(best.checkpoints, 'checkpoint')}{_beside_chance(best)}{lost}."
    )


def chance_sentence(ranking: RuleRanks) -> str:
    """Which rules are told apart from chance, in which direction; empty without a test."""
    tested = [q for q in ranking.qualities if q.chance is not None and q.chance.p_holm is not None]
    if not tested:
        return ""
    apart = {q.rule: q.chance.above for q in tested if q.chance and (q.chance.p_holm or 0.0) < ALPHA}
    parts = {
        "above chance": [rule for rule, above in apart.items() if above],
        "below chance": [rule for rule, above in apart.items() if not above],
        "not told apart from chance": [q.rule for q in tested if q.rule not in apart],
    }
    said = "; ".join(f"{words}: {', '.join(names)}" for words, names in parts.items() if names)
    return f"Against chance, at {ALPHA} after Holm's correction: {said}."


def _details(q: Quality) -> Table:
    low, high = q.interval or (None, None)
    chance = q.chance
    null: dict[str, Value] = {}
    if chance is not None:
        for name, band in (("chance", chance.band), ("shuffled", chance.shuffled)):
            null |= {f"{name}_mean": band.mean, f"{name}_low": band.low, f"{name}_high": band.high}
        null |= {"chance_p": chance.p, "chance_p_holm": chance.p_holm}
    gap = q.gap or Estimate(None, None, 0, 0)
    record: dict[str, Value] = {
        "task": AVERAGE,
        "method": ALL,
        "rule": q.rule,
        "weighted_spearman": q.weighted,
        "low": low,
        "high": high,
        **null,
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
        _banded(None if q.chance is None else q.chance.band),
        Entry() if q.chance is None or q.chance.p_holm is None else Entry(q.chance.p_holm, "p"),
        plain,
        within,
        replace(gap, rank=marks[3]) if gap.value is not None else gap,
        Entry(q.checkpoints) if q.tasks else Entry(),
    )


def _banded(band: Band | None) -> Entry:
    return Entry() if band is None else Entry(band.mean, "ratio", interval=(band.low, band.high))


def _beside_chance(q: Quality) -> str:
    if q.chance is None:
        return ""
    band, p = q.chance.band, q.chance.p_holm
    said = "" if p is None else f", p {p_value(p) if p < 0.0001 else f'= {p_value(p)}'}"
    return f" (by chance {band.mean:.2f} [{band.low:.2f}, {band.high:.2f}]{said})"


def _chance_notes(ranking: RuleRanks) -> list[str]:
    found = [q.chance for q in ranking.qualities if q.chance is not None]
    if not found:
        return []
    notes = [
        "By chance: what the same scores would reach if they said nothing of the accuracy, mean and 95% band of "
        f"{DRAWS} seeded permutations. It is not 0: the weights single out what is high in either ranking."
    ]
    if any(chance.p is not None for chance in found):
        lows, highs = min(c.shuffled.low for c in found), max(c.shuffled.high for c in found)
        notes.append(
            "p: two-sided, of swapping whole methods, the same ones in every task and seed, Holm-corrected over the "
            "rules. Checkpoints shuffled one by one, as if they were independent, would give narrower bands, from "
            f"{lows:.2f} to {highs:.2f} at most."
        )
        notes.append(chance_sentence(ranking))
    else:
        notes.append(
            f"No test against chance: it swaps whole methods and needs {FEWEST_SWAPPED} of them with scores on every "
            "task. The band is that of checkpoints shuffled one by one."
        )
    ceiling = ranking.ceiling
    if ceiling is not None:
        fewest, most = ceiling.samples
        over = f"{fewest}" if fewest == most else f"{fewest} to {most}"
        notes.append(
            f"{PERFECT}: what a rule would reach that knows every checkpoint's true accuracy, since the measured ones "
            f"are shares of {over} target samples (simulated binomial noise; a low estimate, since checkpoints share "
            "their samples)."
        )
    return notes


def _notes(ranking: RuleRanks) -> list[str]:
    qualities = ranking.qualities
    notes = [
        "Weighted ρ: Spearman correlation in which checkpoints count more that are, or look, good (Musgrave et al., "
        "arXiv 2208.07360); per task over all methods, seeds and checkpoints, then averaged over tasks. "
        "Within a method: over the checkpoints of one method on one task, then averaged over both.",
        "Rules by name: " + "; ".join(f"{q.rule}: {short_name(q.rule)}" for q in qualities) + ".",
    ]
    notes += _chance_notes(ranking)
    if any(q.interval for q in qualities):
        notes.append(
            "In brackets beside weighted ρ: 95% interval, bootstrap over tasks and the seeds within them (1000 draws, "
            "seeded)."
        )
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
