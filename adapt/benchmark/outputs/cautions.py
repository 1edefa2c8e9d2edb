"""What a reader has to know before any number of a benchmark."""

from collections import Counter
from collections.abc import Sequence

from adapt.benchmark.results.results import CellResult
from adapt.benchmark.statistics.analysis import Analysis
from adapt.benchmark.vocabulary import count

_MOST_NAMES = 6


def cautions(analysis: Analysis) -> list[str]:
    """What is missing, what failed, tasks without target labels or the metric, and test sets that were trained on."""
    return [
        *missing(analysis),
        *_failed(analysis),
        *_labels(analysis),
        *_without_metric(analysis),
        *transductive(analysis.transductive, analysis.leading.tasks),
    ]


def missing(analysis: Analysis) -> list[str]:
    """What is not there, and what should not be: cells without a result, results that do not belong, the rule."""
    return [*_mixed(analysis), *_unplanned(analysis), *_without_result(analysis), *_another_rule(analysis)]


def _mixed(analysis: Analysis) -> list[str]:
    named = []
    for mixed in analysis.mixed[:_MOST_NAMES]:
        seeds = " and ".join(f"{'seeds' if own[1:] else 'seed'} {', '.join(map(str, own))}" for own in mixed.seeds)
        named.append(f"{mixed.method} on {mixed.task}, {seeds} ({'; '.join(mixed.changes[:2]) or 'see cell.yaml'})")
    more = len(analysis.mixed) - len(named)
    return (
        [
            "Seeds of one method were trained with different settings, so that their mean is over different "
            f"experiments: {'; '.join(named)}{f'; and {more} more' if more else ''}. Run all of them again with "
            "--rerun-changed, or choose another --out."
        ]
        if named
        else []
    )


def _another_rule(analysis: Analysis) -> list[str]:
    """That the report is headed by another rule than the plan's, which some runs have no value of."""
    asked, rule = analysis.planned.rule, analysis.leading.rule
    finished = [result for result in analysis.results if result.rows]
    without = dict.fromkeys(r.method for r in finished if asked not in {row["rule"] for row in r.rows})
    if not asked or asked == rule or not without:
        return []
    return [f"The plan's rule is {asked}, which {', '.join(without)} did not record: {rule} heads this report instead."]


def _unplanned(analysis: Analysis) -> list[str]:
    if not analysis.unplanned:
        return []
    shown = ", ".join(analysis.unplanned[:_MOST_NAMES])
    more = len(analysis.unplanned) - _MOST_NAMES
    return [
        f"Not in the plan, but in the folder and in these numbers: {shown}"
        + (f", and {more} more" if more > 0 else "")
        + ". Move their folders elsewhere to leave them out."
    ]


def _without_result(analysis: Analysis) -> list[str]:
    """How many cells of the plan have no result, not even a failure, and of which methods."""
    if not analysis.missing:
        return []
    total = len(analysis.results) + len(analysis.missing)
    by_method = Counter(method for _, method, _ in analysis.missing)
    cells = Counter(result.method for result in analysis.results) + by_method
    named = [f"{method} {n} of {cells[method]}" for method, n in by_method.most_common(_MOST_NAMES)]
    more = len(by_method) - len(named)
    return [
        f"{len(analysis.missing)} of {total} cells missing, so this grid is unfinished: {', '.join(named)}"
        + (f", and of {count(more, 'more method')}." if more else ".")
    ]


def _labels(analysis: Analysis) -> list[str]:
    """Which targets have no labels, and of which a part has one."""
    sentences = []
    if analysis.unlabelled:
        where = "" if analysis.nothing_measured else f" on {', '.join(analysis.unlabelled)}"
        sentences.append(
            f"No target labels{where}: nothing is measured on the target there, and no oracle is shown. What can be "
            "said is the source's accuracy, the label-free scores and the pictures."
        )
    return sentences + [
        f"Target metrics of {task} are of the {labelled} of {samples} test samples that have a label."
        for task, (labelled, samples) in analysis.partly.items()
    ]


def _failed(analysis: Analysis) -> list[str]:
    lost: dict[str, list[CellResult]] = {}
    for result in analysis.results:
        if result.status != "ok":
            lost.setdefault(result.method, []).append(result)
    if not lost:
        return []
    named = []
    for method, found in sorted(lost.items(), key=lambda item: -len(item[1]))[:_MOST_NAMES]:
        runs = sum(result.method == method for result in analysis.results)
        which = [f"{result.task}, seed {result.seed}" for result in found[:_MOST_NAMES]]
        more = f"; and {len(found) - len(which)} more" if len(found) > len(which) else ""
        named.append(f"{method} {len(found)} of {runs} ({'; '.join(which)}{more})")
    others = len(lost) - len(named)
    return [
        f"Runs that failed or diverged, which are in no mean: {', '.join(named)}"
        + (f", and of {count(others, 'more method')}." if others else ".")
    ]


def _without_metric(analysis: Analysis) -> list[str]:
    measure = analysis.leading.measure
    finished = [result for result in analysis.results if result.rows]
    tasks = dict.fromkeys(r.task for r in finished if measure.name not in {m.name for m in r.measures})
    if not tasks:
        return []
    shared = set.intersection(*({m.name for m in r.measures} for r in finished))
    mend = f"set `metric` to {' or '.join(sorted(shared))}" if shared else "make them a benchmark of their own"
    return [f"Without {measure.words}, and so without numbers here: {', '.join(tasks)}; {mend}."]


def transductive(tasks: Sequence[str], of: Sequence[str]) -> list[str]:
    """That the test set was trained on, and where.

    Args:
        tasks: Where it was.
        of: All tasks.
    """
    if not tasks:
        return []
    where = "" if len(tasks) == len(of) else f" ({', '.join(tasks)})"
    return [
        f"Transductive{where}: the test set was trained on (without its labels, but by train-on-target), and the "
        "oracle's validation set is the test set."
    ]
