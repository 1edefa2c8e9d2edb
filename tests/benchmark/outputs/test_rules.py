import csv
import io
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import stats

from adapt.benchmark.outputs.files import build_report
from adapt.benchmark.outputs.render import to_csv, to_latex, to_markdown
from adapt.benchmark.outputs.tables.rules import COLUMNS, rule_details, rule_sentence, rule_table
from adapt.benchmark.results.results import read_results, write_result
from adapt.benchmark.statistics import rules_of, summarise
from adapt.benchmark.statistics.rule_ranks import RuleRanks, rank_rules, read_checkpoints
from adapt.benchmark.statistics.selection_cost import select
from tests.benchmark.synthetic import result, write_benchmark


def write_grid(
    out: Path, tasks: int = 2, seeds: int = 3, methods: tuple[str, ...] = ("SourceOnly", "DANN", "MMD")
) -> None:
    """`bnm` rises with the accuracy, `entropy` falls, `dev` is noise, `snd` is constant; MMD has no `dev`."""
    rng = np.random.default_rng(0)
    for t in range(tasks):
        for m, method in enumerate(methods):
            for seed in range(seeds):
                directory = out / f"task{t}" / method / str(seed)
                directory.mkdir(parents=True)
                write_result(result(f"task{t}", method, seed, 0.5 + m / 10 + seed / 100, directory))
                lines = ["step,oracle/target_accuracy,val/bnm,val/entropy,val/dev,val/snd\n"]
                for step in range(4):
                    accuracy = 0.4 + m / 10 + step / 50 + rng.uniform(0, 0.01)
                    dev = "" if method == "MMD" else ("nan" if step == 0 else rng.normal())
                    lines += [f"{step},,,,,\n", f"{step},{accuracy},{accuracy**3},{-accuracy},{dev},0.5\n"]
                (directory / "metrics.csv").write_text("".join(lines))


def ranked(out: Path) -> RuleRanks:
    results = read_results(out)
    selections = select([summarise(results, rule) for rule in rules_of(results)])
    return rank_rules(read_checkpoints(results), selections[-1])


def test_rules_are_ranked_over_all_checkpoints_of_a_task_then_averaged(tmp_path: Path) -> None:
    write_grid(tmp_path)
    ranking = ranked(tmp_path)
    qualities = {q.rule: q for q in ranking.qualities}
    assert len(ranking.checkpoints) == 2 * 3 * 3 * 4
    assert [q.rule for q in ranking.qualities[:3]] == ["bnm", "dev", "entropy"]
    assert (qualities["bnm"].weighted, qualities["entropy"].weighted) == (pytest.approx(1), pytest.approx(-1))
    assert qualities["bnm"].within == pytest.approx(1)
    assert qualities["bnm"].interval == (pytest.approx(1), pytest.approx(1))
    dev = qualities["dev"]
    assert (dev.checkpoints, dev.left_out) == (2 * 2 * 3 * 3, 2 * (12 + 2 * 3))
    plain = []
    for task in ranking.tasks:
        own = [c for c in ranking.checkpoints if c.task == task and np.isfinite(c.scores.get("dev", np.nan))]
        plain.append(stats.spearmanr([c.scores["dev"] for c in own], [c.accuracy for c in own]).statistic)
    assert dev.plain == pytest.approx(np.mean(plain))
    assert dev.interval is not None
    assert dev.interval[0] < dev.interval[1]
    assert ranked(tmp_path).qualities[1].interval == dev.interval


def test_the_table_says_what_it_is_over_and_what_is_missing(tmp_path: Path) -> None:
    write_grid(tmp_path)
    ranking = ranked(tmp_path)
    text = to_markdown(rule_table(ranking))
    assert "over 72 checkpoints of 3 methods, 2 tasks and 3 seeds" in text
    assert "| bnm | target | **1.00 [1.00, 1.00]** | -0.3" in text
    assert "Left out, without a finite score: dev 36, source_accuracy 72 of 72 checkpoints." in text
    assert "snd: no correlation on 2 of 2 tasks: constant score (0.5 at all 36 checkpoints)." in text
    assert rule_sentence(ranking).startswith("The label-free rule that ranked best here: bnm, weighted ρ 1.00")
    # The synthetic rows lose a point to the oracle at the last step.
    assert {row[0]: row[2][5].plain for row in rule_table(ranking).rows}["last"] == "1.0 ± 0.0"
    lines = list(csv.DictReader(io.StringIO(to_csv(rule_details(ranking), COLUMNS))))
    (line,) = [x for x in lines if (x["task"], x["method"], x["rule"]) == ("task0", "MMD", "dev")]
    assert (line["weighted_spearman"], line["left_out"]) == ("", "12")
    assert line["undefined_because"] == "fewer than 3 checkpoints (0)"


def test_latex_marks_the_best_two_and_names_the_rules(tmp_path: Path) -> None:
    write_grid(tmp_path)
    build_report(tmp_path)
    text = (tmp_path / "selection.tex").read_text()
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == 2 * 3
    assert r"MMD & none & \textbf{71.0 $\pm$ 2.5}" in text
    assert r"DANN & none & \underline{61.0 $\pm$ 2.5}" in text
    assert "Rules: last: last training step" in text
    rules = to_latex(rule_table(ranked(tmp_path)))
    assert r"\textbf{1.00 [1.00, 1.00]}" in rules
    assert r"source\_accuracy" in rules
    assert "$-$1.00" in rules
    assert rules.isascii() or set(filter(lambda c: not c.isascii(), rules)) <= set("’")


def test_pictures_stand_in_the_folder_and_in_the_text(tmp_path: Path) -> None:
    write_grid(tmp_path)
    report = build_report(tmp_path)
    kinds = {p.kind: p for p in report.pictures}
    assert "bnm 1.00; dev" in kinds["rule-scatter"].alt
    assert "last 1.0 ± 0.0; source_accuracy 2.0 ± 0.0" in kinds["selection-gap"].alt
    for kind in ("rule-chance", "rule-scatter", "selection-gap"):
        assert f"](pictures/{kinds[kind].path.name})" in (tmp_path / "rules.md").read_text()
        with Image.open(kinds[kind].path) as image:
            assert image.convert("L").getextrema()[0] < 100
    assert "<h2>Scores against target accuracy</h2>" in report.page.read_text()
    for name in ("rules.csv", "rules.tex", "selection.tex"):
        assert (tmp_path / name).stat().st_size > 100


@pytest.mark.parametrize("case", ["source-only alone", "one checkpoint", "no metrics", "no scores"])
def test_poor_grids_have_a_report(tmp_path: Path, case: str) -> None:
    methods = ("SourceOnly",) if case == "source-only alone" else ("SourceOnly", "DANN")
    write_grid(tmp_path, tasks=1, seeds=1, methods=methods)
    for path in tmp_path.rglob("metrics.csv"):
        match case:
            case "one checkpoint":
                path.write_text("".join(path.read_text().splitlines(keepends=True)[:3]))
            case "no metrics":
                path.unlink()
            case "no scores":
                path.write_text("step,train/loss\n1,0.5\n")
    report = build_report(tmp_path)
    text = (tmp_path / "rules.md").read_text()
    if case == "source-only alone":
        assert report.analysis.rules.best is not None
        assert "No interval: it needs 6 pairs of task and seed, found 1." in text
    elif case == "one checkpoint":
        assert "fewer than 3 checkpoints (2)" in text
    else:
        assert "No ranking of the rules: no run has scores in its metrics.csv." in text
    assert ("rule-scatter" in {p.kind for p in report.pictures}) == (case == "source-only alone")


def test_methods_that_train_on_target_labels_and_failed_runs_do_not_count(tmp_path: Path) -> None:
    write_benchmark(tmp_path)
    results = read_results(tmp_path)
    found = read_checkpoints(results)
    assert {c.method for c in found} == {"SourceOnly", "DANN", "MMD"}
    assert len(found) == (2 + 2 + 1) * 5
    moved = tmp_path / "task0" / "DANN" / "0"
    (moved / "csv").mkdir()
    shutil.move(moved / "metrics.csv", moved / "csv" / "metrics.csv")
    assert len(read_checkpoints(results)) == len(found)
    assert read_checkpoints([replace(r, status="failed") for r in results]) == []
