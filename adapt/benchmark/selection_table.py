"""What each selection rule costs: accuracy under every rule, and the gap to the oracle."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from adapt.benchmark.csv_files import csv_text
from adapt.benchmark.plan import AVERAGE, SOURCE_ONLY, TARGET_LABELS
from adapt.benchmark.results import CellResult
from adapt.benchmark.sheet import MISSING, ORACLE, Entry, Rank, Sheet, to_latex, to_markdown
from adapt.benchmark.statistics import Estimate, Summary, over_seeds, seed_means
from adapt.benchmark.tables import columns_of, entry, labels_used, points, ranked_note, ranks, rule_name

CSV_COLUMNS = ("task", "method", "setting", "rule", "mean", "ci95", "gap", "gap_ci95", "n", "negative_transfer")


@dataclass(frozen=True)
class Selection:
    """Accuracies and gaps under all selection rules, on one task or on the average over tasks.

    Attributes:
        task: The task, or `Average`.
        tasks: How many tasks it is over.
        rules: Column order: the last step first, the oracle last.
        methods: Row order.
        settings: Which target labels each method trains on.
        seeds: All seeds of the grid.
        accuracies: Estimate per method and rule.
        gaps: Oracle minus rule per method and rule, of the same seeds; without the oracle itself.
        means: Gap per rule, averaged over the methods that have one under every rule; references are not among them.
        averaged: Those methods.
    """

    task: str
    tasks: int
    rules: tuple[str, ...]
    methods: tuple[str, ...]
    settings: Mapping[str, str]
    seeds: tuple[int, ...]
    accuracies: Mapping[tuple[str, str], Estimate]
    gaps: Mapping[tuple[str, str], Estimate]
    means: Mapping[str, Estimate]
    averaged: tuple[str, ...]


def select(results: Sequence[CellResult], summaries: Sequence[Summary]) -> list[Selection]:
    """One selection per column of the summaries, which are of the same results under different rules."""
    leading = summaries[0]
    return [
        _selection(results, summaries, column, leading.tasks if column == AVERAGE else (column,))
        for column in columns_of(leading)
    ]


def selection_sheets(selection: Selection) -> list[Sheet]:
    """Accuracies, and the gaps to the oracle where it was recorded."""
    return [accuracy_sheet(selection), *([gap_sheet(selection)] if selection.gaps else [])]


def selection_markdown(selection: Selection) -> str:
    """The sheets in Markdown."""
    return "\n".join(["# What each selection rule would have picked\n", *map(to_markdown, selection_sheets(selection))])


def selection_latex(selections: Sequence[Selection]) -> str:
    r"""The sheets of every task and of their average in LaTeX, the best methods of every rule marked.

    Needs `\usepackage{booktabs}`, and `graphicx` with many rules.
    """
    sheets = [
        sheet
        for selection in reversed(selections)
        for sheet in (accuracy_sheet(selection, ranked=True), *selection_sheets(selection)[1:])
    ]
    return "\n".join(map(to_latex, sheets))


def accuracy_sheet(selection: Selection, ranked: bool = False) -> Sheet:
    """A row per method, a column per rule; `ranked` marks the best two methods under each rule."""
    places = {rule: _places(selection, rule) if ranked else {} for rule in selection.rules}
    rows = tuple(
        (
            method,
            labels_used(selection.settings[method]),
            tuple(
                entry(
                    selection.accuracies.get((method, rule)),
                    len(selection.seeds),
                    places[rule].get(method, ""),
                    average=selection.tasks > 1,
                )
                for rule in selection.rules
            ),
        )
        for method in selection.methods
    )
    notes = [_explained(selection.rules)]
    if any(places.values()):
        notes.append(ranked_note(" under a rule"))
    estimates = selection.accuracies.values()
    if any(e.negative == "apart" for e in estimates):
        notes.append("↓ negative transfer: below source-only under the same rule, with the 95% intervals apart.")
    if any(e.negative == "one seed" for e in estimates):
        notes.append("↓? below source-only under the same rule, by one seed alone.")
    if any("(n = " in cell.notes for _, _, cells in rows for cell in cells):
        notes.append("n: seeds in the mean, where fewer than all.")
    return Sheet(f"Target test accuracy in %, {_over(selection)}.", selection.rules, rows, tuple(notes))


def gap_sheet(selection: Selection) -> Sheet:
    """A row per method, a column per rule but the oracle, and a row that averages methods."""
    rules = tuple(rule for rule in selection.rules if rule != ORACLE)
    rows = [
        (
            method,
            labels_used(selection.settings[method]),
            _gaps([selection.gaps.get((method, r)) for r in rules], len(selection.seeds)),
        )
        for method in selection.methods
    ]
    notes = ["Bold: the smallest gap of a method."] if len(rules) > 1 else []
    if selection.means:
        rows.append(("Mean of methods", "", _gaps([selection.means.get(rule) for rule in rules], len(selection.seeds))))
        without = [m for m in selection.methods if m not in selection.averaged and not _reference(selection, m)]
        left_out = f", so without {', '.join(without)}" if without else ""
        notes.append(f"Mean of methods: of those that adapt and have a result under every rule{left_out}.")
    if any(e.mean is not None and e.mean < 0 for e in selection.gaps.values()):
        notes.append("Below zero: the oracle chooses on the target's validation set, the table shows the test set.")
    caption = f"Gap to the oracle in points of target test accuracy (oracle − rule), {_over(selection)}."
    return Sheet(caption, rules, tuple(rows), tuple(notes))


def negative_transfers(summaries: Sequence[Summary]) -> list[str]:
    """A sentence per rule that names the methods and tasks with negative transfer, intervals apart."""
    sentences = []
    for summary in summaries:
        found = {
            method: [name for name, column in columns_of(summary).items() if _apart(column.get(method))]
            for method in summary.methods
        }
        named = "; ".join(f"{method} ({', '.join(names)})" for method, names in found.items() if names)
        if named:
            sentences.append(f"Negative transfer under {summary.rule}: {named}.")
    return sentences


def selection_csv(selections: Sequence[Selection]) -> str:
    """All selections as one table of numbers, accuracies and gaps in [−1, 1]."""
    return csv_text(CSV_COLUMNS, selection_rows(selections), ".6f")


def selection_rows(selections: Sequence[Selection]) -> list[list[str | float | int | None]]:
    """The lines of `CSV_COLUMNS`: one per task, method and rule."""
    return [
        [s.task, method, s.settings[method], rule, e.mean, e.ci, gap.mean, gap.ci, e.n, e.negative]
        for s in selections
        for method in s.methods
        for rule in s.rules
        if (e := s.accuracies.get((method, rule))) is not None
        for gap in [s.gaps.get((method, rule), Estimate(None, None, 0, 0))]
    ]


def _selection(
    results: Sequence[CellResult], summaries: Sequence[Summary], column: str, tasks: Sequence[str]
) -> Selection:
    leading, rules = summaries[0], [summary.rule for summary in summaries]
    columns = {summary.rule: columns_of(summary).get(column, {}) for summary in summaries}
    accuracies = {(method, rule): e for rule, estimates in columns.items() for method, e in estimates.items()}
    per_seed = {(m, rule): _per_seed(results, m, rule, tasks) for m in leading.methods for rule in rules}
    gaps: dict[tuple[str, str], dict[int, float]] = {}
    for (method, rule), found in per_seed.items():
        oracle = per_seed.get((method, ORACLE), {})
        gap = {seed: oracle[seed] - accuracy for seed, accuracy in found.items() if seed in oracle}
        if rule != ORACLE and gap:
            gaps[method, rule] = gap
    chosen = [rule for rule in rules if rule != ORACLE]
    adapting = [m for m in leading.methods if leading.settings[m] not in (SOURCE_ONLY, TARGET_LABELS)]
    averaged = [m for m in adapting if all((m, rule) in gaps for rule in chosen)] if chosen else []
    common = sorted(set.intersection(*(set(gaps[m, rule]) for m in averaged for rule in chosen))) if averaged else []
    means = {
        rule: over_seeds([float(np.mean([gaps[m, rule][seed] for m in averaged])) for seed in common])
        for rule in chosen
    }
    return Selection(
        task=column,
        tasks=len(tasks),
        rules=tuple(rules),
        methods=leading.methods,
        settings=leading.settings,
        seeds=leading.seeds,
        accuracies=accuracies,
        gaps={key: over_seeds(list(gap.values())) for key, gap in gaps.items()},
        means=means if common else {},
        averaged=tuple(averaged) if common else (),
    )


def _per_seed(results: Sequence[CellResult], method: str, rule: str, tasks: Sequence[str]) -> dict[int, float]:
    by_task: dict[str, dict[int, float]] = {task: {} for task in tasks}
    for result in results:
        if result.method == method and result.task in by_task and (accuracy := result.accuracy(rule)) is not None:
            by_task[result.task][result.seed] = accuracy
    return seed_means(by_task)


def _gaps(estimates: Sequence[Estimate | None], seeds: int) -> tuple[Entry, ...]:
    shown = [None if e is None or e.mean is None else round(100 * e.mean, 1) for e in estimates]
    values = [value for value in shown if value is not None]
    entries = []
    for e, value in zip(estimates, shown, strict=True):
        if e is None or value is None:
            entries.append(Entry(MISSING))
            continue
        rank: Rank = "best" if len(values) > 1 and value == min(values) else ""
        entries.append(Entry(points(value / 100, e.ci), rank, f"(n = {e.n})" if e.n < seeds else ""))
    return tuple(entries)


def _places(selection: Selection, rule: str) -> dict[str, Rank]:
    estimates = {m: e for m in selection.methods if (e := selection.accuracies.get((m, rule))) is not None}
    return ranks(estimates, selection.settings)


def _explained(rules: Sequence[str]) -> str:
    plain = {rule: rule_name(rule) == f"best {rule} (no target label)" for rule in rules}
    named = [f"{rule}: {rule_name(rule).removeprefix(f'{rule}: ')}" for rule in rules if not plain[rule]]
    others = ["every other: best value of that score, no target label"] if any(plain.values()) else []
    return f"Rules: {'; '.join([*named, *others])}."


def _over(selection: Selection) -> str:
    where = f"averaged over {selection.tasks} tasks" if selection.tasks > 1 else selection.task
    count = len(selection.seeds)
    return f"{where}; " + (
        f"mean ± 95% interval (Student t over {count} seeds)" if count > 1 else "one seed, no interval"
    )


def _reference(selection: Selection, method: str) -> bool:
    return selection.settings[method] in (SOURCE_ONLY, TARGET_LABELS)


def _apart(found: Estimate | None) -> bool:
    return found is not None and found.negative == "apart"
