"""What a benchmark's results say, in sentences: who gained what, who lost, and what is missing."""

from collections.abc import Iterable, Sequence
from statistics import fmean

from adapt.benchmark.outputs.table import Entry, accuracy, points, unit_of
from adapt.benchmark.outputs.words import amount, short_name
from adapt.benchmark.statistics.analysis import Analysis
from adapt.benchmark.statistics.estimates import FEWEST_SEEDS, Estimate, Summary, beside_source_only, gains
from adapt.benchmark.vocabulary import AVERAGE, TARGET_LABELS, UNSUPERVISED, count
from adapt.measures import Measure

_MOST_NAMES = 5


def answer(analysis: Analysis) -> list[str]:
    """The result under the headline's rule, a sentence per thing that can be said of it."""
    summary = analysis.leading
    if analysis.nothing_measured:
        chosen = f"each method's checkpoint under the rule {summary.rule} ({short_name(summary.rule)})"
        return [
            "There are no target labels, so no accuracy on the target is known and no method can be called the best.",
            f"The table shows what {chosen} reaches on the source's test set: a method far below the others has not "
            "learned the task; a high value says nothing of the target.",
        ]
    column = list(summary.columns)[-1]
    found = {method: gain for (method, where), gain in gains(summary).items() if where == column}
    free = {m: gain for m, gain in found.items() if summary.settings[m] == UNSUPERVISED}
    some = {m: gain for m, gain in found.items() if summary.settings[m] != UNSUPERVISED}
    over = f"averaged over {count(len(summary.tasks), 'task')}" if column == AVERAGE else f"on {column}"
    under = f"under the rule {summary.rule} ({short_name(summary.rule)})"
    if not found:
        lacking = "no method has a seed in common with source-only" if summary.baseline else "there is no source-only"
        return [f"No gain can be said {over}: {lacking}.", *_negative(summary)]
    sentences = []
    if free:
        best = _best(free)
        sentences.append(f"Without target labels {_gained(best, summary, column, free)} {over}, {under}.")
        if len(free) > 1:
            above = [m for m in free if (free[m].mean or 0.0) > 0]
            told = [free[m].interval for m in above if free[m].n >= FEWEST_SEEDS]
            better = "lie above" if summary.measure.higher else "are better than"
            sure = sum(interval is not None and interval[0] > 0 for interval in told)
            sentences.append(
                f"{len(above)} of {count(len(free), 'method')} without target labels {better} {summary.baseline}"
                + (f", {_counted(sure, len(above))} with a 95% interval over seeds above zero." if told else ".")
            )
    if some:
        best = _best(some)
        sentences.append(
            f"With target labels ({summary.settings[best]}) {_gained(best, summary, column, some)} {over}."
        )
    top = [m for m in summary.methods if summary.settings[m] == TARGET_LABELS]
    for method in top:
        if (e := summary.columns[column].get(method)) is not None and e.mean is not None:
            reached = accuracy(e, 0, unit=unit_of(summary.measure)).number
            sentences.append(f"Trained on all target labels, {method} reaches {_with_unit(reached, summary.measure)}.")
    return [*sentences, *_verdicts(analysis), *_negative(summary), *_cost(analysis)]


def _verdicts(analysis: Analysis) -> list[str]:
    """What the test over tasks says, where one task is not all that there is."""
    comparisons, baseline = analysis.tested.comparisons, analysis.leading.baseline
    tasks = max((c.n for c in comparisons), default=0)
    if tasks < 2:
        return []
    if all(c.p is None for c in comparisons):
        return [f"No verdict is possible over {count(tasks, 'task')}: the intervals say how far runs on these vary."]
    better, worse = (sum(c.verdict == kind for c in comparisons) for kind in ("better", "worse"))
    return [f"Tested over {tasks} tasks (Wilcoxon, Holm), {better} are better than {baseline} and {worse} worse."]


def _best(found: dict[str, Estimate]) -> str:
    # The mean of a method that lost a seed is over easier runs, perhaps: it is not the one to name.
    most = max(gain.n for gain in found.values())
    return max((m for m, gain in found.items() if gain.n == most), key=lambda m: found[m].mean or 0.0)


def _gained(method: str, summary: Summary, column: str, found: dict[str, Estimate]) -> str:
    gain, measure = found[method], summary.measure
    # Over the seeds of the gain, which may be fewer than those of either mean.
    pairs = beside_source_only(summary, method, column)
    before, after = (
        _with_unit(Entry(fmean(values), unit_of(measure)).number, measure) for values in zip(*pairs, strict=True)
    )
    # A method that lost a seed may have more, by easier runs.
    more = [m for m, other in found.items() if (other.mean or 0.0) > (gain.mean or 0.0)]
    if more:
        verb = f"did best of those with {count(gain.n, 'seed')} ({_list(more)} had more with fewer)"
    else:
        verb = "gained most" if (gain.mean or 0.0) > 0 else "came closest"
    shown = amount(accuracy(gain, 0, unit=unit_of(measure, "gain")).number, measure)
    return f"{method} {verb}: {shown} over {summary.baseline} ({before} → {after}; {count(gain.n, 'seed')})"


def _list(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _with_unit(number: str, measure: Measure) -> str:
    return f"{number} %" if measure.share else f"{measure.words} {number}"


def _negative(summary: Summary) -> list[str]:
    below = {
        kind: [
            (m, c) for c, of in summary.columns.items() for m in summary.methods if m in of and kind == of[m].negative
        ]
        for kind in ("apart", "one seed")
    }
    worse = "below" if summary.measure.higher else "above"
    if apart := below.get("apart"):
        return [f"Negative transfer, {worse} source-only with the intervals apart: {_named(apart)}."]
    if few := [*below.get("one seed", ()), *below.get("two seeds", ())]:
        return [f"{worse.capitalize()} source-only, by too few seeds to call it negative transfer: {_named(few)}."]
    starts = [estimates.get(summary.baseline or "") for estimates in summary.columns.values()]
    # Without a source-only that finished nobody knows.
    measured = any(start is not None and start.mean is not None for start in starts)
    return [f"No method shows negative transfer ({worse} source-only with the intervals apart)."] if measured else []


def _named(found: Iterable[tuple[str, str]]) -> str:
    by_method: dict[str, list[str]] = {}
    for method, column in found:
        by_method.setdefault(method, []).append(column)
    shown = [
        f"{method} ({', '.join(columns) if len(columns) <= _MOST_NAMES else f'{len(columns)} columns'})"
        for method, columns in list(by_method.items())[:_MOST_NAMES]
    ]
    more = len(by_method) - len(shown)
    return "; ".join(shown) + (f"; and {count(more, 'method')} more" if more else "")


def _cost(analysis: Analysis) -> list[str]:
    cost, measure = analysis.selections[-1].means.get(analysis.leading.rule), analysis.leading.measure
    if cost is None or cost.mean is None:
        return []
    return [
        f"Choosing checkpoints by the oracle instead would {'add' if measure.higher else 'take off'} "
        f"{amount(points(cost, measure), measure)}, mean of the methods that adapt."
    ]


def _counted(number: int, of: int) -> str:
    return "all" if number == of else "none" if number == 0 else str(number)
