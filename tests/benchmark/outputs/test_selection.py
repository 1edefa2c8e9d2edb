import csv
import io
from collections.abc import Mapping
from dataclasses import replace

import pytest

from adapt.benchmark.outputs.render import to_csv
from adapt.benchmark.outputs.table import Table
from adapt.benchmark.outputs.tables.accuracy import negative_transfers
from adapt.benchmark.outputs.tables.selection import COLUMNS, gap_table, rules_table, selection_tables
from adapt.benchmark.results.results import CellResult, Row
from adapt.benchmark.statistics.estimates import half_width, rules_of, summarise
from adapt.benchmark.statistics.selection_cost import select
from tests.benchmark.synthetic import result


def cell(task: str, method: str, seed: int, accuracies: Mapping[str, float]) -> CellResult:
    rows = tuple(Row(rule=r, source_accuracy=None, target_accuracy=a, step=1) for r, a in accuracies.items())
    return replace(result(task, method, seed, 0.5), rows=rows)


def grid() -> list[CellResult]:
    """Gaps of DANN under `entropy`, averaged over tasks: 4, 5 and 6 points with the three seeds."""
    cells = []
    for seed in range(3):
        for task, level in (("easy", 0.8), ("hard", 0.4)):
            chosen = level - 0.04 - 0.01 * seed + (0.03 if task == "easy" else -0.03)
            cells.append(cell(task, "DANN", seed, {"last": level - 0.1, "entropy": chosen, "oracle": level}))
            cells.append(cell(task, "SHOT", seed, {"last": level - 0.02, "oracle": level}))
            cells.append(cell(task, "SourceOnly", seed, {"last": 0.5, "entropy": 0.5, "oracle": 0.5}))
    return cells


def shown(sheet: Table) -> dict[str, list[str]]:
    return {method: [entry.plain for entry in entries] for method, _, entries in sheet.rows}


def test_the_gap_is_oracle_minus_rule_with_an_interval_over_seeds() -> None:
    results = grid()
    average = select([summarise(results, rule) for rule in rules_of(results)])[-1]
    gap = average.gaps["DANN", "entropy"]
    assert (average.task, average.tasks, average.rules) == ("Average", 2, ("last", "entropy", "oracle"))
    assert (gap.mean, gap.n) == (pytest.approx(0.05), 3)
    assert gap.ci == pytest.approx(half_width([0.04, 0.05, 0.06]))
    assert ("DANN", "oracle") not in average.gaps


def test_the_sheets_show_every_rule_and_a_dash_where_a_method_has_none() -> None:
    results = grid()
    average = select([summarise(results, rule) for rule in rules_of(results)])[-1]
    accuracies, gaps = rules_table(average), gap_table(average)
    assert accuracies.columns == ("last", "entropy", "oracle")
    assert shown(accuracies)["SHOT"] == ["58.0 ± 0.0", "–", "60.0 ± 0.0"]
    assert gaps.columns == ("last", "entropy")
    assert shown(gaps) == {
        "SourceOnly": ["0.0 ± 0.0", "0.0 ± 0.0"],
        "DANN": ["10.0 ± 0.0", "5.0 ± 2.5"],
        "SHOT": ["2.0 ± 0.0", "–"],
        "Mean of methods": ["10.0 ± 0.0", "5.0 ± 2.5"],
    }
    assert [entry.rank for entry in {m: e for m, _, e in gaps.rows}["DANN"]] == ["", "best"]
    assert any("so without SHOT." in note for note in gaps.notes)


def test_ten_rules_make_ten_columns_and_one_sentence_about_scores() -> None:
    scores = {f"score{k}": 0.5 + k / 100 for k in range(9)}
    results = [cell("t", "DANN", seed, {"last": 0.5, **scores, "oracle": 0.6}) for seed in (0, 1)]
    (selection,) = select([summarise(results, rule) for rule in rules_of(results)])
    first, second = selection_tables(selection)
    assert (len(first.columns), len(second.columns)) == (11, 10)
    assert first.notes[0].count("score") == 1
    assert "every other: best value of that score, no target label" in first.notes[0]


def test_a_rule_that_beats_the_oracle_on_the_test_set_is_explained() -> None:
    results = [cell("t", "DANN", 0, {"last": 0.7, "oracle": 0.6})]
    (selection,) = select([summarise(results, rule) for rule in rules_of(results)])
    sheet = gap_table(selection)
    assert shown(sheet)["DANN"] == ["-10.0"]
    assert any(note.startswith("Below zero: the oracle chooses on the target's validation set") for note in sheet.notes)


def test_without_an_oracle_there_are_accuracies_alone() -> None:
    results = [cell("t", "DANN", 0, {"last": 0.7, "entropy": 0.6})]
    (selection,) = select([summarise(results, rule) for rule in rules_of(results)])
    assert len(selection_tables(selection)) == 1


def test_negative_transfer_is_named_by_rule_method_and_task() -> None:
    table = {"SourceOnly": (0.6, 0.6), "DANN": (0.7, 0.3), "MMD": (0.7, 0.7)}
    results = [
        cell(task, method, seed, {"last": 0.8, "entropy": accuracy + seed / 1000})
        for seed in range(3)
        for method, values in table.items()
        for task, accuracy in zip(("a", "b"), values, strict=True)
    ]
    summaries = [summarise(results, rule) for rule in rules_of(results)]
    assert negative_transfers(summaries) == ["Negative transfer under entropy: DANN (b, Average)."]


def test_the_csv_has_a_line_per_task_method_and_rule() -> None:
    results = grid()
    lines = list(
        csv.DictReader(
            io.StringIO(to_csv(map(rules_table, select([summarise(results, r) for r in rules_of(results)])), COLUMNS))
        )
    )
    assert {line["task"] for line in lines} == {"easy", "hard", "Average"}
    (line,) = [x for x in lines if (x["task"], x["method"], x["rule"]) == ("Average", "DANN", "entropy")]
    assert (line["mean"], line["gap"], line["n"]) == ("0.550000", "0.050000", "3")
