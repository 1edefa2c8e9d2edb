"""The table of a protocol's run: python benchmarks/protocol.py RUNS [--csv NAME]

RUNS is the folder of a benchmark whose `search` has development tasks and picks by a label-free rule and by the oracle
(docs/protocol.md). Per method it shows the target test accuracy on the evaluation tasks with the settings that each of
the two picked; the checkpoint is the label-free rule's in both, so that the difference is the price of choosing the
settings without target labels. While the oracle's reruns are missing, its columns are left out. Then come the paired
difference to source-only with its interval over tasks, and the tasks above, below and equal; the mean target test
accuracy on the development tasks of the trial that each of the two picked; and the setting that the rule picked.

With `--csv` it also writes NAME.csv, the reruns under the rule and at the last step, and NAME_trials.csv, every trial.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean

from adapt.benchmark.outputs.render import to_markdown
from adapt.benchmark.outputs.table import Entry, Table, accuracy, unit_of
from adapt.benchmark.outputs.tables.search import search_sentence
from adapt.benchmark.outputs.tables.significance import COMPARISON_COLUMNS, comparison_entries
from adapt.benchmark.outputs.words import labels_used, measured
from adapt.benchmark.results.metrics import csv_text
from adapt.benchmark.results.results import write_csv
from adapt.benchmark.statistics.analysis import Analysis, read_analysis
from adapt.benchmark.statistics.estimates import Estimate, Summary, of_differences, seed_means
from adapt.benchmark.statistics.trials import SearchReport, TrialRow
from adapt.benchmark.vocabulary import AVERAGE, ORACLE
from adapt.errors import AdaptError
from adapt.files import write_atomically

_COMPARED = ("Mean difference", "+ / − / =")


def table(runs: Path, free: Analysis) -> Table:
    """A row per method: accuracy under the rule's settings, under the oracle's, the difference, and the trials."""
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
    compared = {c.method: _difference(comparison_entries(c, ours.measure)) for c in free.tested.comparisons}
    rows = []
    for method in ours.methods:
        entries = [accuracy(_average(ours, method), seeds, average=average, unit=unit)]
        if theirs is not None:
            price = _price(ours, theirs, method)
            entries.append(accuracy(_average(theirs, method), seeds, average=average, unit=unit))
            entries.append(Entry() if price is None else accuracy(price, seeds, unit=difference))
        entries += compared.get(method, [Entry()] * len(_COMPARED))
        entries += [Entry(_mean_of_trials(free.search, method, rule), unit) for rule in (free.search.rule, ORACLE)]
        entries.append(Entry(_setting(free.search, method)))
        rows.append((method, labels_used(ours.settings[method]), tuple(entries)))
    where = f"average over {len(ours.tasks)} evaluation tasks" if average else ours.tasks[0]
    spread = "mean ± 95% interval" if seeds > 1 else "one seed"
    caption = f"Target test {measured(ours.measure)}, {where} ({', '.join(ours.tasks)}), {spread}."
    columns = [f"settings by {free.search.rule}"]
    columns += [] if theirs is None else [f"settings by the {ORACLE}", "price"]
    columns += _COMPARED
    columns += [f"on the development tasks, by {by}" for by in (free.search.rule, f"the {ORACLE}")]
    notes = (search_sentence(free.search), _price_of_trials(free.search, ours), *_failed(free))
    return Table(caption, (*columns, "setting"), tuple(rows), notes)


def _difference(entries: Sequence[Entry]) -> list[Entry]:
    return [entries[COMPARISON_COLUMNS.index(name)] for name in _COMPARED]


def _price_of_trials(search: SearchReport, summary: Summary) -> str:
    free = [method for method in summary.methods if labels_used(summary.settings[method]) == "none"]
    picks = [[_mean_of_trials(search, method, rule) for rule in (search.rule, ORACLE)] for method in free]
    prices = [theirs - ours for ours, theirs in picks if ours is not None and theirs is not None]
    differing = {s.method for s in search.studies if s.picks.get(search.rule) != s.picks.get(ORACLE)}
    return (
        f"The rule and the oracle pick the same setting for {len(summary.methods) - len(differing)} of "
        f"{len(summary.methods)} methods. On the development tasks the oracle's is "
        f"{100 * mean(prices):.1f} points better, mean of the {len(prices)} methods without target labels."
    )


def _picked(search: SearchReport, method: str, rule: str) -> Iterator[TrialRow]:
    """On each development task the trial that a rule picks for all of them."""
    for study in search.studies:
        if study.method == method and (number := study.picks.get(rule)) is not None:
            yield study.trials[number]


def _mean_of_trials(search: SearchReport, method: str, rule: str) -> float | None:
    # The checkpoint is the label-free rule's in both.
    found = [trial.result.value(search.rule) for trial in _picked(search, method, rule) if trial.result is not None]
    values = [value for value in found if value is not None]
    return mean(values) if values else None


def _setting(search: SearchReport, method: str) -> str | None:
    chosen = next(_picked(search, method, search.rule), None)
    if chosen is None:
        return None
    return ", ".join(f"{key.split('.')[-1]} {_short(value)}" for key, value in chosen.settings.items())


def _short(value: object) -> str:
    return f"{value:.2g}" if isinstance(value, float) else str(value)


def write_files(analysis: Analysis, name: str) -> None:
    """The reruns and the trials as CSV files."""
    assert analysis.search is not None
    rules = ("last", analysis.search.rule)
    kept = [replace(r, rows=tuple(row for row in r.rows if row["rule"] in rules)) for r in analysis.results]
    write_csv(kept, Path(f"{name}.csv"))
    columns = ("method", "trial", "task", *(scored := (analysis.search.rule, ORACLE)), "target_accuracy", "picked_by")
    lines = []
    for study in analysis.search.studies:
        for number, trial in enumerate(study.trials):
            value = None if trial.result is None else trial.result.value(analysis.search.rule)
            by = "+".join(rule for rule in scored if study.picks.get(rule) == number)
            settings: Mapping[str, object] = {k.removeprefix("model.init_args."): v for k, v in trial.settings.items()}
            scores = [trial.scores.get(rule) for rule in scored]
            lines.append([study.method, number, study.task, *scores, value, by, json.dumps(settings)])
    write_atomically(Path(f"{name}_trials.csv"), csv_text([*columns, "settings"], lines, ".4f"))


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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--csv", metavar="NAME", help="write NAME.csv and NAME_trials.csv too")
    given = parser.parse_args()
    analysis = read_analysis(given.runs)
    print(to_markdown(table(given.runs, analysis)), end="")
    if given.csv:
        write_files(analysis, given.csv)
