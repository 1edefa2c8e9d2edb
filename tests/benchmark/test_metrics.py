"""Every metric of a problem, from the run to the table, whichever way is better and whatever its unit."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from lightning.pytorch.callbacks import EarlyStopping

from adapt.benchmark.outputs.answer import answer
from adapt.benchmark.outputs.files import build_report
from adapt.benchmark.outputs.render import to_markdown
from adapt.benchmark.outputs.table import accuracy, unit_of
from adapt.benchmark.outputs.tables.accuracy import accuracy_table, gain_table
from adapt.benchmark.outputs.tables.classes import class_tables
from adapt.benchmark.outputs.tables.selection import gap_table, selection_tables
from adapt.benchmark.outputs.words import difference_of, gap_formula, looks_at, measured, rule_name
from adapt.benchmark.plan.plan import read_plan
from adapt.benchmark.results.results import (
    CSV_COLUMNS,
    CellResult,
    Row,
    check_rows,
    csv_columns,
    read_csv,
    read_result,
    read_results,
    write_csv,
    write_result,
)
from adapt.benchmark.statistics import analyse, summarise
from adapt.benchmark.statistics.analysis import Planned
from adapt.benchmark.statistics.estimates import gains, headline, negative_transfer, of_differences, of_measure
from adapt.benchmark.statistics.method_ranks import rank_methods
from adapt.benchmark.statistics.rule_ranks import read_checkpoints
from adapt.benchmark.statistics.selection_cost import select
from adapt.benchmark.statistics.trials import best_of, trial_scores
from adapt.cli import main
from adapt.errors import AdaptError
from adapt.measures import ACCURACY, Measure
from adapt.problems import Classification, MultiLabel, Regression
from adapt.selection import RULES, rules_of
from adapt.training.trainer_flags import check_callbacks
from tests.benchmark.synthetic import result
from tests.training.test_commands import TOY

ROOT = Path(__file__).parents[2]
MAE, RMSE, R2 = Regression(["degrees"]).measures()
ERRORS = {"SourceOnly": 30.0, "DANN": 12.0, "MMD": 20.0, "Worse": 60.0, "TargetOnly": 5.0}


def errors(task: str = "a → b", seeds: int = 3) -> list[CellResult]:
    """A grid of a regression: DANN has the lowest error of those without labels, Worse lies above source-only."""

    def row(rule: str, error: float) -> Row:
        return Row(rule=rule, step=1, source_mae=1.0, target_mae=error, target_rmse=2 * error, target_r2=-error)

    return [
        replace(
            result(task, method, seed, 0.5),
            measures=(MAE, RMSE, R2),
            rows=(row("last", mean + seed / 10), row("source_mae", mean + 1), row("oracle", mean - 2 + seed / 10)),
        )
        for method, mean in ERRORS.items()
        for seed in range(seeds)
    ]


def test_a_problem_says_unit_ends_and_direction_of_each_metric() -> None:
    assert (
        Measure("mae", higher=False, unit="degrees", low=0.0, high=None),
        Measure("r2", unit="", low=None, high=1.0),
    ) == (MAE, R2)
    of_classes = {measure.name: measure for measure in Classification(3).measures()}
    assert next(iter(of_classes.values())) == ACCURACY
    assert of_classes["calibration_error"] == Measure("calibration_error", higher=False)
    assert all(measure.share and measure.higher for measure in MultiLabel(3).measures())
    for problem in (Classification(3), MultiLabel(3), Regression(2)):
        assert [measure.name for measure in problem.measures()] == list(problem.metrics())
    assert {rule: looks and looks.metric for rule, looks in rules_of(Classification(2)).items()} == RULES


def test_lower_is_better_all_the_way() -> None:
    summary = summarise(errors(), "last", methods=list(ERRORS))
    cells = {method: summary.cells[method, "a → b"] for method in ERRORS}
    assert {method: cell.negative for method, cell in cells.items() if cell.negative} == {"Worse": "apart"}
    found = gains(summary)
    assert found["DANN", "a → b"].mean == pytest.approx(18.0)
    assert found["Worse", "a → b"].mean == pytest.approx(-30.0)
    cost = select([summarise(errors(), rule) for rule in ("last", "oracle")])[0]
    assert cost.gaps["DANN", "last"].mean == pytest.approx(2.0)
    analysis = analyse(errors())
    verdicts = {c.method: (c.better, c.worse) for c in analysis.tested.comparisons}
    assert verdicts == {"DANN": (1, 0), "MMD": (1, 0), "Worse": (0, 1)}  # of one task, whatever its seeds
    ranks = rank_methods(summarise([*errors("t"), *errors("u")], "last")).ranks
    assert list(ranks) == ["DANN", "MMD", "SourceOnly", "Worse"]
    assert headline(errors()) == "source_mae"


def test_a_table_of_errors_names_metric_unit_and_direction() -> None:
    text = to_markdown(accuracy_table(summarise(errors(), "last", methods=list(ERRORS))))
    assert text.startswith("Target test mae in the labels' unit (degrees; lower is better), mean ± 95% interval")
    assert "| DANN | none | **12.1 ± 0.2** |" in text
    assert "| MMD | none | <ins>20.1 ± 0.2</ins> |" in text
    assert "| Worse | none | 60.1 ± 0.2 ↓ |" in text
    assert "negative transfer: above source-only" in text
    assert "%," not in text and "points" not in text
    analysis = analyse(errors())
    gained = gain_table(analysis)
    assert "in target test mae (degrees; positive: lower, so better)" in gained.caption
    assert [row[2][0].number for row in gained.rows] == ["+18.0 ± 0.0", "+10.0 ± 0.0", "-30.0 ± 0.0"]
    assert "(source_mae − oracle)" not in (caption := gap_table(analysis.selections[-1]).caption)
    assert "in target test mae (degrees) (rule − oracle)" in caption
    assert "DANN gained most: +18.0 ± 0.0 of mae over SourceOnly (mae 31.0 → mae 13.0; 3 seeds)" in answer(analysis)[0]
    assert "Worse" in answer(analysis)[3]
    assert selection_tables(analysis.selections[-1])[0].caption.startswith("Target test mae in the labels' unit")


def test_an_interval_without_an_end_is_not_cut() -> None:
    wide = of_measure([-90.0, 0.5, 250.0], R2)
    low, high = wide.interval or (0.0, 0.0)
    assert low < -300 and high == 1.0
    low, high = of_measure([1.0, 30.0, 200.0], MAE).interval or (0.0, 0.0)
    assert low == 0.0 and high > 300
    low, high = of_differences([-150.0, 20.0, 300.0], MAE).interval or (0.0, 0.0)
    assert low < -300 and high > 300
    assert of_differences([-0.99, 0.9, 0.99], ACCURACY).interval == (-1.0, 1.0)
    assert negative_transfer(of_measure([9.0, 9.1, 9.2], MAE), of_measure([5.0, 5.1, 5.2], MAE)) == "apart"
    assert negative_transfer(of_measure([5.0, 5.1, 5.2], MAE), of_measure([9.0, 9.1, 9.2], MAE)) is None


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([12.3, 12.3, 12.3], "12.3 ± 0.0"),
        ([0.0123, 0.0123, 0.0123], "0.0123 ± 0.0000"),
        ([15400.0, 15400.0, 15400.0], "15400 ± 0"),
        ([0.0, 0.0, 0.0], "0.0 ± 0.0"),
    ],
)
def test_a_number_has_three_digits_whatever_its_unit(values: list[float], text: str) -> None:
    assert accuracy(of_measure(values, MAE), 3, unit=unit_of(MAE)).number == text


def test_words_of_metrics_and_rules() -> None:
    assert measured(ACCURACY) == "accuracy in %"
    assert measured(Measure("calibration_error", higher=False)) == "calibration error in % (lower is better)"
    assert measured(R2) == "r2"
    assert difference_of(ACCURACY) == "points of target test accuracy"
    assert (gap_formula(ACCURACY), gap_formula(MAE)) == ("oracle − rule", "rule − oracle")
    assert rule_name("source_mae") == "best source validation mae (no target label)"
    assert "target validation mae" in rule_name("oracle", MAE)
    assert looks_at("source_mean_average_precision") == "source"


def test_results_hold_every_metric_in_json_and_csv(tmp_path: Path) -> None:
    (one,) = (replace(r, directory=tmp_path / "t/m/0") for r in errors()[:1])
    write_result(one)
    found = read_result(tmp_path / "t/m/0/result.json")
    assert found.measures == one.measures and found.rows[0]["target_r2"] == -30.0
    assert (found.value("last"), found.value("last", "rmse"), found.value("last", "mae", "source")) == (30.0, 60.0, 1.0)
    write_csv(errors(), tmp_path / "results.csv")
    with (tmp_path / "results.csv").open(newline="") as file:
        line = next(csv.DictReader(file))
    columns = [name.replace("accuracy", "mae") for name in CSV_COLUMNS]
    assert list(line) == [*columns, "source_rmse", "target_rmse", "source_r2", "target_r2"]
    again = read_csv(tmp_path / "results.csv")
    assert [(r.method, r.seed, r.value("oracle"), r.measures[0].higher) for r in again] == [
        (r.method, r.seed, r.value("oracle"), False) for r in errors()
    ]


def test_an_old_result_reads_as_accuracy(tmp_path: Path) -> None:
    write_result(result("t", "m", 0, 0.5, tmp_path))
    path = tmp_path / "result.json"
    content = json.loads(path.read_text())
    del content["measures"]
    path.write_text(json.dumps(content))
    found = read_result(path)
    assert found.measures == (ACCURACY,)
    assert (found.value("last"), found.value("last", "accuracy", "source"), found.value("last", "macro_f1")) == (
        0.5,
        0.9,
        None,
    )


@pytest.mark.parametrize("path", sorted(ROOT.glob("benchmarks/*/results.csv")), ids=lambda path: path.parent.name)
def test_a_committed_csv_is_written_as_it_was_read(path: Path, tmp_path: Path) -> None:
    results = read_csv(path)
    lines = path.read_text(encoding="utf-8").splitlines()
    if results[0].measures[0] == ACCURACY:
        assert lines[0].startswith(",".join(CSV_COLUMNS))
    write_csv(results, tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_text(encoding="utf-8").splitlines() == lines


def test_values_beyond_an_end_are_refused_and_undefined_ones_are_none() -> None:
    good = Row(rule="last", step=1, source_mae=None, target_mae=500.0, target_r2=float("nan"), target_rmse=3.0)
    assert check_rows([good], (MAE, RMSE, R2))[0]["target_r2"] is None
    for bad in ({"target_mae": -1.0}, {"target_mae": float("nan")}, {"target_mae": None}, {"target_r2": 1.5}):
        with pytest.raises(AdaptError, match=r"under rule 'last', found"):
            check_rows([good | bad], (MAE, RMSE, R2))


def test_scores_of_a_rule_that_prefers_the_lowest_are_signed(tmp_path: Path) -> None:
    (one,) = (replace(r, directory=tmp_path) for r in errors()[3:4])
    write_result(one)
    (tmp_path / "metrics.csv").write_text("step,val/source_mae,val/mmd,oracle/target_mae\n1,5,0.1,9\n2,3,0.4,7\n")
    first, second = read_checkpoints([one])
    assert (first.accuracy, first.scores) == (-9.0, {"source_mae": -5.0, "mmd": 0.1})
    assert second.scores["source_mae"] > first.scores["source_mae"]
    assert trial_scores(tmp_path) == {"source_mae": -3.0, "mmd": 0.4, "oracle": -7.0}
    assert best_of([-3.0, -2.0]) == 1


def test_the_plan_chooses_the_metric_and_says_what_there_is(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    written = {"seeds": [0], "metric": "macro_f1", "tasks": {"toy": TOY}, "methods": {"S": {"model": "SourceOnly"}}}
    path.write_text(yaml.safe_dump(written))
    assert read_plan(path).cells[0].metric == "macro_f1"
    path.write_text(yaml.safe_dump(written | {"metric": "mae"}))
    with pytest.raises(AdaptError, match="task 'toy' has no 'mae'; it has accuracy, mean_class_accuracy, macro_f1"):
        read_plan(path)
    path.write_text(yaml.safe_dump(written | {"metric": 3}))
    with pytest.raises(AdaptError, match="expected the name of a metric"):
        read_plan(path)
    with pytest.raises(AdaptError, match=r"hold \(mae, rmse, r2\), found 'f1'"):
        analyse(errors(), Planned(metric="f1"))
    assert analyse(errors(), Planned(metric="r2")).leading.measure == R2


def test_tasks_without_the_metric_are_named() -> None:
    mixed = [*errors("turned"), *[result("classes", m, s, 0.5) for m in ("SourceOnly", "DANN") for s in range(3)]]
    notes = accuracy_table(analyse(mixed, Planned(metric="mae")).leading)
    assert notes.columns == ("turned", "classes", "Average")
    from adapt.benchmark.outputs.cautions import cautions

    (sentence,) = cautions(analyse(mixed, Planned(metric="mae")))
    assert sentence.startswith("Without mae, and so without numbers here: classes;")


def test_each_class_has_a_row_and_each_method_a_column(tmp_path: Path) -> None:
    found = []
    for method, right in (("SourceOnly", 5), ("DANN", 9)):
        for seed in range(3):
            one = replace(result("t", method, seed, 0.5), directory=tmp_path / method / str(seed))
            one.directory.mkdir(parents=True)
            matrix = np.array([[right, 10 - right, 0], [0, 20, 0], [0, 0, 0]])
            np.savez(one.directory / "confusion.npz", matrix=matrix, class_names=np.array(["cat", "dog", "none"]))
            found.append(one)
    (table,) = class_tables(analyse(found), ["t"])
    assert [(name, samples, [e.plain for e in entries]) for name, samples, entries in table.rows] == [
        ("cat", "10", ["50.0 ± 0.0", "90.0 ± 0.0"]),
        ("dog", "20", ["100.0 ± 0.0", "100.0 ± 0.0"]),
        ("none", "0", ["–", "–"]),
    ]
    assert class_tables(analyse(errors()), ["a → b"]) == []


def test_a_callback_that_watches_an_error_looks_for_the_lowest(tmp_path: Path) -> None:
    stop = EarlyStopping("val/source_mae", mode="max")
    with pytest.raises(AdaptError, match=r"val/source_mae with mode 'max', but less is better. Give .* min"):
        check_callbacks([stop], None, False, tmp_path, Regression(1))
    check_callbacks([EarlyStopping("val/source_mae", mode="min")], None, False, tmp_path, Regression(1))


def test_a_regression_grid_from_end_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = {
        "class_path": "tests.problems.test_end_to_end.Numbers",
        "init_args": {"source": "source", "target": "target"},
    }
    task = TOY | {"data": data, "trainer": TOY["trainer"] | {"max_steps": 60, "val_check_interval": 20}}
    methods = {name: {"model": {"class_path": name}} for name in ("SourceOnly", "MMD", "TargetOnly")}
    plan = {"name": "numbers", "seeds": [0, 1], "metric": "rmse", "tasks": {"toy": task}, "methods": methods}
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(plan, sort_keys=False))
    runs = tmp_path / "runs"
    command = ["benchmark", "--config", str(tmp_path / "plan.yaml"), "--out", str(runs), "--wandb", "disabled"]
    assert main(command) == 0
    for found in read_results(runs):
        assert [measure.name for measure in found.measures] == ["mae", "rmse", "r2"]
        assert [row["rule"] for row in found.rows] == ["last", "source_mae", "mmd", "coral", "a_distance", "oracle"]
        tests = {name for name in found.rows[0] if name not in ("rule", "step")}
        assert tests == {f"{domain}_{name}" for domain in ("source", "target") for name in ("mae", "rmse", "r2")}
    text = (runs / "table.md").read_text()
    assert text.startswith("Target test rmse in the labels' unit (place; lower is better), mean [range of 2 seeds")
    assert "best source validation mae" in text
    shown = " ".join(capsys.readouterr().out.split())
    assert "Target test rmse in the labels' unit" in shown and "target mae" in shown
    assert "target_rmse" in (runs / "results.csv").read_text().splitlines()[0]
    # The same results, with another metric and without training again.
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(plan | {"metric": "r2"}, sort_keys=False))
    before = {path: path.stat().st_mtime_ns for path in runs.rglob("result.json")}
    assert main(command) == 0
    assert before == {path: path.stat().st_mtime_ns for path in runs.rglob("result.json")}
    assert (runs / "table.md").read_text().startswith("Target test r2, mean")
    page = build_report(runs).page.read_text()
    assert "R2 in bars" in page and "Scores against target mae" in page


@pytest.mark.slow
def test_a_classification_grid_shows_the_metric_of_the_plan(tmp_path: Path) -> None:
    methods = {name: {"model": {"class_path": name}} for name in ("SourceOnly", "DANN")}
    plan = {"name": "f1", "seeds": [0], "metric": "macro_f1", "tasks": {"toy": TOY}, "methods": methods}
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(plan))
    runs = tmp_path / "runs"
    assert main(["benchmark", "--config", str(tmp_path / "plan.yaml"), "--out", str(runs), "--wandb", "disabled"]) == 0
    columns = csv_columns(read_results(runs))
    assert columns[: len(CSV_COLUMNS)] == CSV_COLUMNS
    metrics = [name for name in columns[len(CSV_COLUMNS) :] if not name.startswith("estimate_")]
    assert tuple(metrics[::2]) == (
        "source_mean_class_accuracy",
        "source_macro_f1",
        "source_calibration_error",
    )
    assert (runs / "table.md").read_text().startswith("Target test macro f1 in %, one seed (0), no interval.")
    page = (runs / "report.html").read_text()
    assert 'id="each-class"' in page and "share of each class" in page
    one = read_results(runs)[0]
    # Accuracy is what is estimated, whatever the table's metric is.
    estimated = (runs / "table.md").read_text().partition("Estimated target test accuracy")[2]
    (line,) = (line for line in estimated.splitlines()[:8] if line.startswith(f"| {one.method} "))
    assert f"({100 * (one.value('information_maximisation', 'accuracy') or 0):.1f})" in line
    with (runs / "table.csv").open(newline="") as file:
        shown = next(line for line in csv.DictReader(file) if (line["rule"], line["method"]) == ("last", one.method))
    assert float(shown["mean"]) == pytest.approx(one.value("last", "macro_f1"), abs=1e-6)


def test_the_plan_names_the_rule_that_heads_the_report(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    written = {"seeds": [0], "rule": "silhouette", "tasks": {"toy": TOY}, "methods": {"S": {"model": "SourceOnly"}}}
    path.write_text(yaml.safe_dump(written))
    assert read_plan(path).cells[0].rule == "silhouette"
    path.write_text(yaml.safe_dump(written | {"rule": "silhuette"}))
    with pytest.raises(AdaptError, match="unknown rule 'silhuette'; did you mean 'silhouette'"):
        read_plan(path)
    path.write_text(yaml.safe_dump(written | {"rule": "oracle"}))
    with pytest.raises(AdaptError, match="reads no target label"):
        read_plan(path)
    assert analyse(errors()).leading.rule == "source_mae"
    assert analyse(errors(), Planned(rule="last")).leading.rule == "last"
    # What no run recorded cannot head anything.
    assert analyse(errors(), Planned(rule="silhouette")).leading.rule == "source_mae"
