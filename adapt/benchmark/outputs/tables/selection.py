"""What each selection rule costs: the metric under every rule, and the gap to the oracle."""

from collections.abc import Sequence
from dataclasses import replace

from adapt.benchmark.outputs.table import Entry, Rank, Table, Value, accuracy, below_note, bracket_notes, over, unit_of
from adapt.benchmark.outputs.tables.accuracy import ranked_note, ranks
from adapt.benchmark.outputs.words import difference_of, gap_formula, has_words, labels_used, measured, rule_name
from adapt.benchmark.statistics.estimates import Estimate
from adapt.benchmark.statistics.selection_cost import SelectionCost
from adapt.benchmark.vocabulary import ORACLE, SOURCE_ONLY, TARGET_LABELS

COLUMNS = ("task", "method", "setting", "rule", "mean", "ci95", "gap", "gap_ci95", "n", "negative_transfer")
"""Of `selection.csv`: shares in [0, 1]; a gap is positive where the oracle is better."""


def selection_tables(cost: SelectionCost, cautions: Sequence[str] = ()) -> list[Table]:
    """Accuracies, and the gaps to the oracle where it was recorded."""
    return [rules_table(cost, cautions), *([gap_table(cost)] if cost.gaps else [])]


def rules_table(cost: SelectionCost, cautions: Sequence[str] = (), *, ranked: bool = False) -> Table:
    """A row per method, a column per rule; `ranked` marks the best two methods under each rule."""
    places = {rule: _places(cost, rule) if ranked else {} for rule in cost.rules}
    rows = tuple(
        (
            method,
            labels_used(cost.settings[method]),
            tuple(
                accuracy(
                    cost.accuracies.get((method, rule)),
                    len(cost.seeds),
                    places[rule].get(method, ""),
                    _record(cost, method, rule),
                    average=cost.tasks > 1,
                    unit=unit_of(cost.measure),
                )
                for rule in cost.rules
            ),
        )
        for method in cost.methods
    )
    notes = [_explained(cost)]
    if any(places.values()):
        notes.append(ranked_note(" under a rule"))
    notes += below_note(cost.accuracies.values(), " under the same rule", cost.measure)
    notes += bracket_notes(cost.accuracies.values(), len(cost.seeds))
    if any(entry.n is not None for _, _, entries in rows for entry in entries):
        notes.append("n: seeds in the mean, where fewer than all.")
    return Table(f"Target test {measured(cost.measure)}, {_over(cost)}.", cost.rules, rows, (*notes, *cautions))


def gap_table(cost: SelectionCost) -> Table:
    """A row per method, a column per rule but the oracle, and a row that averages methods."""
    rules = tuple(rule for rule in cost.rules if rule != ORACLE)
    seeds = len(cost.seeds)
    rows = [
        (method, labels_used(cost.settings[method]), _gaps([cost.gaps.get((method, r)) for r in rules], cost))
        for method in cost.methods
    ]
    notes = ["Bold: the smallest gap of a method."] if len(rules) > 1 else []
    if cost.means:
        rows.append(("Mean of methods", "", _gaps([cost.means.get(rule) for rule in rules], cost)))
        without = [m for m in cost.methods if m not in cost.averaged and not _reference(cost, m)]
        left_out = f", so without {', '.join(without)}" if without else ""
        notes.append(f"Mean of methods: of those that adapt and have a result under every rule{left_out}.")
    notes += bracket_notes([*cost.gaps.values(), *cost.means.values()], seeds)
    if any(e.mean is not None and e.mean < 0 for e in cost.gaps.values()):
        notes.append("Below zero: the oracle chooses on the target's validation set, the table shows the test set.")
    about = f"in {difference_of(cost.measure, gain=False)} ({gap_formula(cost.measure)})"
    caption = f"Gap to the oracle {about}, {_over(cost)}."
    return Table(caption, rules, tuple(rows), tuple(notes))


def _record(cost: SelectionCost, method: str, rule: str) -> dict[str, Value]:
    e = cost.accuracies.get((method, rule))
    if e is None:
        return {}
    gap = cost.gaps.get((method, rule), Estimate(None, None, 0, 0))
    return {
        "task": cost.task,
        "method": method,
        "setting": cost.settings[method],
        "rule": rule,
        "mean": e.mean,
        "ci95": e.ci,
        "gap": gap.mean,
        "gap_ci95": gap.ci,
        "n": e.n,
        "negative_transfer": e.negative,
    }


def _gaps(estimates: Sequence[Estimate | None], cost: SelectionCost) -> tuple[Entry, ...]:
    entries = [accuracy(e, len(cost.seeds), unit=unit_of(cost.measure, "difference")) for e in estimates]
    shown = [entry.shown for entry in entries if entry.value is not None]
    best = min(shown) if len(shown) > 1 else None
    return tuple(replace(e, rank="best") if e.value is not None and e.shown == best else e for e in entries)


def _places(cost: SelectionCost, rule: str) -> dict[str, Rank]:
    estimates = {m: e for m in cost.methods if (e := cost.accuracies.get((m, rule))) is not None}
    return ranks(estimates, cost.settings, cost.measure)


def _explained(cost: SelectionCost) -> str:
    words = {rule: rule_name(rule, cost.headline) for rule in cost.rules if has_words(rule)}
    named = [f"{rule}: {text.removeprefix(f'{rule}: ')}" for rule, text in words.items()]
    others = ["every other: best value of that score, no target label"] if len(named) < len(cost.rules) else []
    return f"Rules: {'; '.join([*named, *others])}."


def _over(cost: SelectionCost) -> str:
    where = f"averaged over {cost.tasks} tasks" if cost.tasks > 1 else cost.task
    return f"{where}; {over(cost.seeds, named=False)}"


def _reference(cost: SelectionCost, method: str) -> bool:
    return cost.settings[method] in (SOURCE_ONLY, TARGET_LABELS)
