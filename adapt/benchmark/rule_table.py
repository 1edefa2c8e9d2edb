"""The rules ranked, as a table, in a sentence and as numbers."""

from collections.abc import Iterable, Mapping, Sequence

from adapt.benchmark.csv_files import csv_text
from adapt.benchmark.plan import AVERAGE
from adapt.benchmark.rank_correlation import Correlation
from adapt.benchmark.rule_quality import FEWEST_PAIRS, Quality, Ranking
from adapt.benchmark.sheet import MISSING, Entry, Rank, Sheet, to_latex, to_markdown
from adapt.benchmark.statistics import Estimate
from adapt.benchmark.tables import best_two, count, points, rule_name
from adapt.selection import SCORES

CSV_COLUMNS = (
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

ALL = "all"

_COLUMNS = ("Weighted ρ", "ρ", "Weighted ρ within a method", "Gap to the oracle", "Checkpoints")


def rule_sheet(ranking: Ranking) -> Sheet:
    """A row per rule, the best first."""
    qualities = ranking.qualities
    marks = [
        _marks({q.rule: q.weighted for q in qualities}, 2),
        _marks({q.rule: q.plain for q in qualities}, 2),
        _marks({q.rule: q.within for q in qualities}, 2),
        _marks({q.rule: None if q.gap is None or q.gap.mean is None else -100 * q.gap.mean for q in qualities}, 1),
    ]
    rows = tuple((q.rule, _seen(q.rule), _entries(q, ranking, marks)) for q in qualities)
    caption = f"Ranking quality of each rule: Spearman correlation ρ of score and target accuracy, {_over(ranking)}."
    return Sheet(caption, _COLUMNS, rows, tuple(_notes(ranking)), head=("Rule", "Looks at"))


def rule_sentence(ranking: Ranking) -> str:
    """Which rule ranked best, or why none can be said to."""
    best = ranking.best
    if best is None or best.weighted is None:
        why = "no score differs between checkpoints" if ranking.checkpoints else "no run has scores in its metrics.csv"
        return f"No ranking of the rules: {why}."
    interval = "" if best.interval is None else f" [{best.interval[0]:.2f}, {best.interval[1]:.2f}]"
    gap = best.gap
    lost = ""
    if gap is not None and gap.mean is not None:
        lost = f"; it chooses {points(gap.mean, gap.ci)} points of accuracy below the oracle"
    return (
        f"The label-free rule that ranked best here: {best.rule}, weighted ρ {best.weighted:.2f}{interval} over "
        f"{count(best.checkpoints, 'checkpoint')}{lost}."
    )


def rule_markdown(ranking: Ranking, pictures: Iterable[str] = ()) -> str:
    """Sentence, table and pictures in Markdown."""
    parts = [
        "# How well each rule ranks checkpoints\n",
        rule_sentence(ranking) + "\n",
        to_markdown(rule_sheet(ranking)),
    ]
    return "\n".join([*parts, *pictures]).rstrip() + "\n"


def rule_latex(ranking: Ranking) -> str:
    r"""The table in LaTeX; needs `\usepackage{booktabs}`."""
    return to_latex(rule_sheet(ranking))


def rule_csv(ranking: Ranking) -> str:
    """A line per rule over everything, one per task, and one per task and method."""
    return csv_text(CSV_COLUMNS, rule_rows(ranking), ".6f")


def rule_rows(ranking: Ranking) -> list[list[str | float | int | None]]:
    """The lines of `CSV_COLUMNS`."""
    rows: list[list[str | float | int | None]] = []
    for q in ranking.qualities:
        low, high = q.interval or (None, None)
        gap = q.gap or Estimate(None, None, 0, 0)
        numbers = [q.weighted, low, high, q.plain, q.within, gap.mean, gap.ci, q.checkpoints, q.left_out, None]
        rows.append([AVERAGE, ALL, q.rule, *numbers])
        found: list[tuple[str, str, Correlation]] = [(task, ALL, c) for task, c in q.tasks.items()]
        found += [(task, method, c) for (task, method), c in q.methods.items()]
        for task, method, c in found:
            rows.append(
                [task, method, q.rule, c.weighted, None, None, c.plain, None, None, None, c.n, c.left_out, c.reason]
            )
    return rows


def _entries(q: Quality, ranking: Ranking, marks: Sequence[Mapping[str, Rank]]) -> tuple[Entry, ...]:
    interval = "" if q.interval is None else f" [{q.interval[0]:.2f}, {q.interval[1]:.2f}]"
    constant = q.weighted is None and q.tasks and any("constant" in (c.reason or "") for c in q.tasks.values())
    first = Entry(MISSING, notes="constant" if constant else "") if q.weighted is None else None
    numbers = (f"{value:.2f}" if value is not None else MISSING for value in (q.plain, q.within))
    plain, within = (Entry(n, m.get(q.rule, "")) for n, m in zip(numbers, marks[1:3], strict=True))
    gap = Entry(MISSING)
    if q.gap is not None and q.gap.mean is not None:
        gap = Entry(points(q.gap.mean, q.gap.ci), marks[3].get(q.rule, ""))
    return (
        first or Entry(f"{q.weighted:.2f}{interval}", marks[0].get(q.rule, "")),
        plain,
        within,
        gap,
        Entry(str(q.checkpoints) if q.tasks else MISSING),
    )


def _notes(ranking: Ranking) -> list[str]:
    qualities = ranking.qualities
    notes = [
        "Weighted ρ: Spearman correlation in which checkpoints count more that are, or look, good (Musgrave et al., "
        "arXiv 2208.07360); per task over all methods, seeds and checkpoints, then averaged over tasks. "
        "Within a method: over the checkpoints of one method on one task, then averaged over both.",
        "Rules by name: " + "; ".join(f"{q.rule}: {_words(q.rule)}" for q in qualities) + ".",
    ]
    if any(q.interval for q in qualities):
        notes.append("In brackets: 95% interval, bootstrap over tasks and the seeds within them (1000 draws, seeded).")
    elif ranking.checkpoints:
        notes.append(f"No interval: it needs {FEWEST_PAIRS} pairs of task and seed, found {ranking.pairs}.")
    if any(q.gap and q.gap.mean is not None for q in qualities):
        notes.append(
            "Gap to the oracle: target test accuracy lost, in points, mean of the methods that adapt and have a result "
            "under every rule" + (" ± 95% interval over seeds." if any(q.gap and q.gap.ci for q in qualities) else ".")
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


def _over(ranking: Ranking) -> str:
    if not ranking.checkpoints:
        return "no checkpoint with a target accuracy in metrics.csv"
    counts = (len(ranking.checkpoints), len(ranking.methods), len(ranking.tasks))
    checkpoints, methods, tasks = (
        count(n, noun) for n, noun in zip(counts, ("checkpoint", "method", "task"), strict=True)
    )
    seeds = count(len({c.seed for c in ranking.checkpoints}), "seed")
    return f"over {checkpoints} of {methods}, {tasks} and {seeds}"


def _seen(rule: str) -> str:
    if rule == "last":
        return "nothing"
    if rule == "source_accuracy":
        return "source"
    return "both domains" if rule in SCORES and SCORES[rule].needs_source else "target"


def _words(rule: str) -> str:
    return rule_name(rule).removesuffix(" (no target label)")
