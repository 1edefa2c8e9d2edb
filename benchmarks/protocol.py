"""The table of a protocol's run: python benchmarks/protocol.py RUNS

RUNS is the folder of a benchmark whose `search` has development tasks and picks by a label-free rule and by the oracle
(docs/protocol.md). Per method it shows the target test accuracy on the evaluation tasks with the settings that each of
the two picked; the checkpoint is the label-free rule's in both, so that the difference is the price of choosing the
settings without target labels.
"""

import sys
from pathlib import Path

from adapt.benchmark.outputs.render import to_markdown
from adapt.benchmark.outputs.table import Entry, Table, accuracy, unit_of
from adapt.benchmark.outputs.tables.search import search_sentence
from adapt.benchmark.outputs.words import labels_used, measured
from adapt.benchmark.statistics.analysis import Analysis, read_analysis
from adapt.benchmark.statistics.estimates import Estimate, Summary, of_differences, seed_means
from adapt.benchmark.vocabulary import AVERAGE, ORACLE
from adapt.errors import AdaptError


def table(runs: Path) -> Table:
    """A row per method: accuracy under the rule's settings, under the oracle's, and the difference per seed."""
    free = read_analysis(runs)
    if free.search is None or not free.search.development:
        raise AdaptError(f"Expected a search with development tasks in {runs}, found none. See docs/protocol.md.")
    labelled = read_analysis(runs / f"picked-by-{ORACLE}")
    ours, theirs = free.leading, next(s for s in labelled.summaries if s.rule == free.leading.rule)
    seeds = len(ours.seeds)
    rows = []
    for method in ours.methods:
        own, other = (_average(summary, method) for summary in (ours, theirs))
        price = _price(ours, theirs, method)
        unit, difference = unit_of(ours.measure), unit_of(ours.measure, "difference")
        average = len(ours.tasks) > 1
        entries = (
            accuracy(own, seeds, average=average, unit=unit),
            accuracy(other, seeds, average=average, unit=unit),
            Entry() if price is None else accuracy(price, seeds, unit=difference),
        )
        rows.append((method, labels_used(ours.settings[method]), entries))
    where = f"average over {len(ours.tasks)} evaluation tasks" if len(ours.tasks) > 1 else ours.tasks[0]
    caption = f"Target test {measured(ours.measure)}, {where} ({', '.join(ours.tasks)}), mean ± 95% interval."
    columns = (f"settings by {free.search.rule}", f"settings by the {ORACLE}", "price")
    return Table(caption, columns, tuple(rows), (search_sentence(free.search), *_failed(free)))


def _average(summary: Summary, method: str) -> Estimate | None:
    return summary.columns[AVERAGE if summary.averages else summary.tasks[0]].get(method)


def _price(ours: Summary, theirs: Summary, method: str) -> Estimate | None:
    free, labelled = (seed_means({t: s.accuracies.get((method, t), {}) for t in s.tasks}) for s in (ours, theirs))
    differences = [ours.measure.better(labelled[seed], value) for seed, value in free.items() if seed in labelled]
    return of_differences(differences, ours.measure) if differences else None


def _failed(analysis: Analysis) -> list[str]:
    lost = sum(result.status != "ok" for result in analysis.results)
    return [f"{lost} of {len(analysis.results)} runs have no result."] if lost else []


if __name__ == "__main__":
    print(to_markdown(table(Path(sys.argv[1]))), end="")
