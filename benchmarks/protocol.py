"""The table of a protocol's run: python benchmarks/protocol.py RUNS

RUNS is the folder of a benchmark whose `search` has development tasks and picks by a label-free rule and by the oracle
(docs/protocol.md). Per method it shows the target test accuracy on the evaluation tasks with the settings that each of
the two picked; the checkpoint is the label-free rule's in both, so that the difference is the price of choosing the
settings without target labels. While the oracle's reruns are missing, the table has the first column alone. The last
two columns are of the trials: the mean target test accuracy on the development tasks of what each of the two picked.
"""

import sys
from pathlib import Path
from statistics import mean

from adapt.benchmark.outputs.render import to_markdown
from adapt.benchmark.outputs.table import Entry, Table, Unit, accuracy, unit_of
from adapt.benchmark.outputs.tables.search import search_sentence
from adapt.benchmark.outputs.words import labels_used, measured
from adapt.benchmark.statistics.analysis import Analysis, read_analysis
from adapt.benchmark.statistics.estimates import Estimate, Summary, of_differences, seed_means
from adapt.benchmark.statistics.trials import SearchReport
from adapt.benchmark.vocabulary import AVERAGE, ORACLE
from adapt.errors import AdaptError


def table(runs: Path) -> Table:
    """A row per method: accuracy under the rule's settings, under the oracle's, the difference, and the trials."""
    free = read_analysis(runs)
    if free.search is None or not free.search.development:
        raise AdaptError(f"Expected a search with development tasks in {runs}, found none. See docs/protocol.md.")
    folder = runs / f"picked-by-{ORACLE}"
    labelled = read_analysis(folder) if folder.exists() else None
    if labelled is not None and len(labelled.results) < len(free.results):
        labelled = None
    ours = free.leading
    theirs = None if labelled is None else next(s for s in labelled.summaries if s.rule == ours.rule)
    seeds, average = len(ours.seeds), len(ours.tasks) > 1
    unit, difference = unit_of(ours.measure), unit_of(ours.measure, "difference")
    rows = []
    for method in ours.methods:
        entries = [accuracy(_average(ours, method), seeds, average=average, unit=unit)]
        if theirs is not None:
            price = _price(ours, theirs, method)
            entries.append(accuracy(_average(theirs, method), seeds, average=average, unit=unit))
            entries.append(Entry() if price is None else accuracy(price, seeds, unit=difference))
        entries += [_trials(free.search, method, rule, unit) for rule in (free.search.rule, ORACLE)]
        rows.append((method, labels_used(ours.settings[method]), tuple(entries)))
    where = f"average over {len(ours.tasks)} evaluation tasks" if average else ours.tasks[0]
    spread = "mean ± 95% interval" if seeds > 1 else "one seed"
    caption = f"Target test {measured(ours.measure)}, {where} ({', '.join(ours.tasks)}), {spread}."
    columns = [f"settings by {free.search.rule}"]
    columns += [] if theirs is None else [f"settings by the {ORACLE}", "price"]
    columns += [f"on the development tasks, by {free.search.rule}", f"on the development tasks, by the {ORACLE}"]
    return Table(caption, tuple(columns), tuple(rows), (search_sentence(free.search), *_failed(free)))


def _trials(search: SearchReport, method: str, rule: str, unit: Unit) -> Entry:
    """The mean over the development tasks of the trial that a rule picks for all of them."""
    values = []
    for study in search.studies:
        number = study.picks.get(rule) if study.method == method else None
        result = None if number is None else study.trials[number].result
        # The checkpoint is the label-free rule's in both.
        if result is not None and (value := result.value(search.rule)) is not None:
            values.append(value)
    return accuracy(Estimate(mean(values), None, 1, 0), 1, unit=unit) if values else Entry()


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
