from dataclasses import replace

import pytest

from adapt.benchmark.outputs.render import to_latex, to_markdown
from adapt.benchmark.outputs.tables.accuracy import headline_table
from adapt.benchmark.outputs.tables.estimates import estimate_tables
from adapt.benchmark.results.results import CellResult, Row
from adapt.benchmark.statistics.analysis import Planned, analyse
from adapt.benchmark.statistics.estimates import headline
from adapt.estimation import default_estimate
from tests.benchmark.synthetic import result


def cell(rules: list[str], method: str = "DANN") -> CellResult:
    rows = tuple(Row(rule=rule, source_accuracy=0.9, target_accuracy=0.8, step=1) for rule in rules)
    return replace(result("t", method, 0, 0.8), rows=rows)


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (["last", "source_accuracy", "information_maximisation", "oracle"], "information_maximisation"),
        (["last", "oracle"], "last"),
        (["snd", "oracle"], "snd"),
        (["oracle"], "oracle"),
    ],
)
def test_the_headline_is_under_a_rule_that_reads_no_target_label(rules: list[str], expected: str) -> None:
    assert headline([cell(rules)]) == expected


def test_the_headline_is_under_a_rule_that_every_method_has() -> None:
    source_free = cell(["last", "information_maximisation", "oracle"], "SHOT")
    assert headline([cell(["last", "source_accuracy", "oracle"]), source_free]) == "last"
    failed = result("t", "MMD", 0, None)
    assert headline([source_free, failed]) == "information_maximisation"


def test_a_headline_that_is_not_the_plans_is_told() -> None:
    found = [cell(["last", "source_accuracy", "snd"]), cell(["last", "snd"], "SHOT")]
    said = "The plan's rule is source_accuracy, which SHOT did not record: last heads this report instead."
    assert said in to_markdown(headline_table(analyse(found, Planned(rule="source_accuracy"))))
    for rule in ("", "snd"):
        assert "The plan's rule" not in to_markdown(headline_table(analyse(found, Planned(rule=rule))))


def test_the_oracle_stands_beside_it_in_its_own_style() -> None:
    results = [result(t, m, s, 0.6 + s / 10) for t in "abcdefg" for m in ("SourceOnly", "DANN") for s in (0, 1)]
    analysis = analyse(results)
    screen = headline_table(analysis)
    assert screen.columns == ("Average", "oracle", "gap", *"abcdefg")
    text = to_markdown(screen)
    assert "Model selection: best source validation accuracy (no target label)." in text
    assert (
        "| SourceOnly | none | **64.0 [59.0, 69.0]** | *66.0 [61.0, 71.0]* | 2.0 [2.0, 2.0] | **64.0 [59.0, 69.0]** |"
        in text
    )
    assert "| Average | *oracle* | gap |" in text
    printed = headline_table(analysis, average_first=False)
    assert printed.columns == (*"abcdefg", "Average", "oracle", "gap")
    assert r"& \textit{oracle} &" in to_latex(printed)
    assert r"& \textit{66.0 [61.0, 71.0]} &" in to_latex(printed)


def test_estimates_stand_in_the_order_of_the_plan() -> None:
    results = []
    for task in ("a", "b"):
        for method in ("DANN", "SourceOnly"):
            found = result(task, method, 0, 0.6)
            rows = tuple(Row(**{**row, "estimates": {default_estimate(): 0.5}}) for row in found.rows)
            results.append(replace(found, rows=rows))
    planned = Planned(tasks=("b", "a"), methods=("SourceOnly", "DANN"), seeds=(0,))
    (table,) = estimate_tables(analyse(results, planned))
    assert table.columns == ("b", "a") and [method for method, *_ in table.rows] == ["SourceOnly", "DANN"]
