import json
import shutil
import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import yaml

from adapt.benchmark.outputs.tables.search import search_sentence
from adapt.benchmark.plan.plan import Cell, Plan, read_plan
from adapt.benchmark.plan.search_space import Choice, Range, Search
from adapt.benchmark.results.results import Row, read_results
from adapt.benchmark.run.sampling import draw
from adapt.benchmark.run.search import pick, run_search, trial_scores
from adapt.benchmark.statistics.trials import read_search_report
from adapt.commands.grids import benchmark_command, report_command
from adapt.errors import AdaptError
from tests.benchmark.synthetic import rows, trace
from tests.training.test_commands import ROOT, TOY

pytest.importorskip("optuna", reason="needs adapt-lightning[search]")

LR = "model.init_args.optimizer.init_args.lr"
WEIGHT = "model.init_args.weight"
ADAM = {"class_path": "torch.optim.Adam", "init_args": {"lr": 0.001}}


def content(**search: Any) -> dict[str, Any]:
    space = {LR: {"low": 1e-4, "high": 1e-1, "log": True}}
    return {
        "name": "small",
        "seeds": [0, 1],
        "base": {"model": {"init_args": {"optimizer": ADAM}}},
        "tasks": {"a": {}},
        "search": {"trials": 3, "seed": 7, "space": space} | search,
        "methods": {
            "SourceOnly": {"model": {"class_path": "SourceOnly"}},
            "DANN": {"config": {"model": {"class_path": "DANN"}}, "search": {WEIGHT: [0.1, 1.0]}},
        },
    }


def plan_of(folder: Path, written: dict[str, Any]) -> Plan:
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(written, sort_keys=False))
    return read_plan(path, folder / "out")


def searching(cell: Cell) -> list[Row]:
    """Information maximisation likes low learning rates, the oracle high ones."""
    with (cell.directory / "metrics.csv").open("w") as file:
        lr = cell.config["model"]["init_args"]["optimizer"]["init_args"]["lr"]
        file.write("step,val/information_maximisation,oracle/target_accuracy\n")
        file.write(f"1,{-2 * lr},{lr}\n2,{-lr},{lr / 2}\n3,nan,\n")
    with (cell.directory.parents[2] / "trace.txt").open("a") as file:
        file.write(f"{cell.method} {cell.seed} -\n")
    return [
        *rows(0.5 + lr)[:2],
        Row(rule="information_maximisation", source_accuracy=0.9, target_accuracy=0.5, step=2),
        Row(rule="oracle", source_accuracy=0.9, target_accuracy=0.5 + lr, step=1),
    ]


def of(sampler: Any = "random", seed: int = 7, trials: int = 8) -> Search:
    space = {"lr": Range(1e-4, 1e-1, log=True), "width": Range(1, 4, whole=True), "flag": Choice(("a", ["b"]))}
    return Search(trials, seed, ("entropy",), sampler, {"A": space, "B": space, "C": {"flag": Choice((1, 2, 3))}})


def test_random_settings_hang_on_seed_task_and_method_alone() -> None:
    first = list(islice(draw(of(), "t", "A"), 8))
    assert list(islice(draw(of(), "t", "A"), 12))[:8] == first
    for other in (draw(of(seed=8), "t", "A"), draw(of(), "u", "A"), draw(of(), "t", "B")):
        assert list(islice(other, 8)) != first
    assert all(1e-4 <= s["lr"] <= 1e-1 and s["width"] in (1, 2, 3, 4) and s["flag"] in ("a", ["b"]) for s in first)
    assert isinstance(first[0]["width"], int)
    # As many as there are, each once.
    assert sorted(s["flag"] for s in islice(draw(of(), "t", "C"), 3)) == [1, 2, 3]


def test_tpe_learns_from_scores_and_draws_the_same_again() -> None:
    def optimise(sign: float) -> list[float]:
        values: list[float | None] = []
        while len(values) < 40:
            *_, last = draw(of("tpe"), "t", "A", values)
            # A failed trial has no score, and stops nothing.
            values.append(None if len(values) == 5 else sign * last["lr"])
        drawn = [s["lr"] for s in draw(of("tpe"), "t", "A", values[:-1])]
        assert drawn[:20] == [s["lr"] for s in draw(of("tpe"), "t", "A", values[:19])]
        return drawn

    up, down = optimise(1.0), optimise(-1.0)
    assert up[:5] == down[:5]
    assert sorted(up[20:])[10] > 10 * sorted(down[20:])[10]


def test_every_method_gets_the_same_number_of_trials(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, content())
    run_search(plan, searching)
    trials = read_results(tmp_path / "out" / "search")
    assert sorted(r.method for r in trials) == [
        f"{method}, trial {number:03d}" for method in ("DANN", "SourceOnly") for number in range(3)
    ]
    assert {r.seed for r in trials} == {7}
    assert len({r.config_hash for r in trials}) == 6


def test_a_rule_picks_by_its_own_column_and_the_oracle_only_where_named(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, content(rule=["information_maximisation", "oracle"]))
    run_search(plan, searching)
    for folder, best in ((tmp_path / "out", min), (tmp_path / "out" / "picked-by-oracle", max)):
        found = json.loads((folder / "search.json").read_text())
        for study in found["studies"]:
            lrs = [trial["settings"][LR] for trial in study["trials"]]
            assert study["picked"] == lrs.index(best(lrs))
            for seed in (0, 1):
                cell = yaml.safe_load((folder / "a" / study["method"] / str(seed) / "cell.yaml").read_text())
                assert cell["model"]["init_args"]["optimizer"]["init_args"]["lr"] == pytest.approx(best(lrs), rel=1e-12)
                assert cell["seed_everything"] == seed
    best_trial = tmp_path / "out" / "search" / "a" / "DANN-trial-000" / "7"
    lr = yaml.safe_load((best_trial / "cell.yaml").read_text())["model"]["init_args"]["optimizer"]["init_args"]["lr"]
    assert trial_scores(best_trial).get("information_maximisation") == pytest.approx(-lr)
    assert trial_scores(best_trial).get("snd") is None
    assert pick([], "snd") is None


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_stopped_search_goes_on_and_runs_nothing_twice(tmp_path: Path, sampler: str) -> None:
    plan = plan_of(tmp_path, content(sampler=sampler))
    left = [4]

    def stopping(cell: Cell) -> list[Row]:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return searching(cell)

    assert run_search(plan, stopping).interrupted
    before = trace(tmp_path / "out" / "search")
    assert len(before) == 4
    assert len(run_search(plan, searching).results) == 4
    run_search(plan, searching)
    after = trace(tmp_path / "out" / "search")
    assert after[:4] == before and len(after) == len(set(after)) == 6
    assert sorted(trace(tmp_path / "out")) == ["DANN 0", "DANN 1", "SourceOnly 0", "SourceOnly 1"]

    other = tmp_path / "straight"
    other.mkdir()
    run_search(plan_of(other, content(sampler=sampler)), searching)
    assert (other / "out" / "search.json").read_text() == (tmp_path / "out" / "search.json").read_text()


def test_a_setting_that_two_rules_pick_is_trained_once(tmp_path: Path) -> None:
    written = content(rule=["oracle", "snd"])

    def agreeing(cell: Cell) -> list[Row]:
        found = searching(cell)
        path = cell.directory / "metrics.csv"
        path.write_text(path.read_text().replace("val/information_maximisation", "val/other"))
        path.write_text(path.read_text().replace("oracle/target_accuracy\n", "oracle/target_accuracy,val/snd\n"))
        path.write_text(path.read_text().replace("\n2,", "\n1,,0,\n2,"))
        lr = cell.config["model"]["init_args"]["optimizer"]["init_args"]["lr"]
        path.write_text(path.read_text() + f"4,,,{lr}\n")
        (cell.directory / "checkpoints").mkdir()
        (cell.directory / "checkpoints" / "last.ckpt").write_text(cell.name)
        return found

    run_search(plan_of(tmp_path, written), agreeing)
    assert trace(tmp_path / "out" / "picked-by-snd") == []
    copied = read_results(tmp_path / "out" / "picked-by-snd")
    assert len(copied) == 4
    assert [(r.directory / "checkpoints" / "last.ckpt").read_text() for r in copied] == [r.name for r in copied]


def test_a_failed_trial_is_never_picked_and_retry_runs_it_again(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, content())

    def failing(cell: Cell) -> list[Row]:
        result = searching(cell)
        if cell.method.endswith("trial 001"):
            raise RuntimeError("out of memory")
        return result

    run_search(plan, failing)
    found = json.loads((tmp_path / "out" / "search.json").read_text())
    assert all(study["picked"] in (0, 2) for study in found["studies"])
    run_search(plan, searching, retry=True, rerun_changed=True)
    ran = trace(tmp_path / "out" / "search")
    assert [ran.count(f"{method}, trial {k:03d} 7") for method in ("SourceOnly", "DANN") for k in range(3)] == [
        1,
        2,
        1,
    ] * 2


def test_a_method_that_starts_from_another_starts_from_what_was_picked(tmp_path: Path) -> None:
    written = content()
    written["methods"]["DANN"]["init_from"] = "SourceOnly"
    run_search(plan_of(tmp_path, written), searching)
    out = tmp_path / "out"
    picked = json.loads((out / "search.json").read_text())["studies"][0]["picked"]
    trial = yaml.safe_load((out / "search/a/DANN-trial-002/7/cell.yaml").read_text())
    assert trial["model"]["init_args"]["init_from"] == str(
        out / f"search/a/SourceOnly-trial-{picked:03d}/7/checkpoints/last.ckpt"
    )
    rerun = yaml.safe_load((out / "a/DANN/1/cell.yaml").read_text())
    assert rerun["model"]["init_args"]["init_from"] == str(out / "a/SourceOnly/1/checkpoints/last.ckpt")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trials": 0}, "`trials`, a whole number of at least 1, found 0"),
        ({"seed": 2**32}, "search as a whole number from 0 to 2**32 - 1, found 4294967296"),
        ({"seed": 1}, "seed 1 is also one of `seeds`"),
        ({"rule": "last"}, "`last` has no score"),
        ({"rule": "entropi"}, "did you mean 'entropy'"),
        ({"sampler": "grid"}, "expected `sampler` out of random, tpe, found 'grid'"),
        ({"trails": 3}, "unknown key 'trails'; did you mean 'trials'"),
        ({"space": {}}, "method 'SourceOnly', search: found nothing to try"),
        ({"space": {LR: [0.1, 0.2]}}, "3 trials need as many different settings, found 2"),
        ({"space": {LR: {"low": 0.1}}}, "expected a number as `high`, found None"),
        ({"space": {LR: {"low": 0.1, "high": 0.01}}}, "expected `low` below `high`"),
        ({"space": {LR: {"low": 0, "high": 1, "log": True}}}, "above 0 on a logarithmic scale"),
        ({"space": {LR: {"low": 0.5, "high": 2, "int": True}}}, "whole bounds"),
        ({"space": {LR: 0.1}}, "expected a list of values"),
        ({"space": {LR.replace("lr", "lrr"): [1, 2, 3]}}, "did you mean 'model.init_args.optimizer.init_args.lr'"),
        ({"space": {"modle.x": [1, 2, 3]}}, "unknown key 'modle'; did you mean 'model'"),
        ({"space": {"trainer.max_step": [1, 2, 3]}}, "did you mean 'trainer.max_steps'"),
    ],
)
def test_what_cannot_be_is_refused_with_what_was_meant(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(AdaptError) as error:
        plan_of(tmp_path, content(**change))
    assert message in str(error.value)
    assert str(error.value).count("\n") <= 1


def test_a_methods_own_space_is_checked_against_its_class_and_needs_the_plans_search(tmp_path: Path) -> None:
    written = content()
    written["methods"]["DANN"]["search"] = {"model.init_args.wieght": [1, 2]}
    with pytest.raises(AdaptError, match=r"method 'DANN', search: unknown key .*did you mean 'model.init_args.weight'"):
        plan_of(tmp_path, written)
    del written["search"]
    with pytest.raises(AdaptError, match=r"add `search: \{trials: 8\}`"):
        plan_of(tmp_path, written)


def test_without_optuna_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    with pytest.raises(AdaptError, match=r"pip install 'adapt-lightning\[search\]'"):
        run_search(plan_of(tmp_path, content()), searching)


@pytest.mark.slow
def test_a_search_on_the_toy_ends_in_reruns_with_the_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written = content(trials=2) | {"tasks": {"toy": TOY}}
    path = tmp_path / "toy.yaml"
    path.write_text(yaml.safe_dump(written, sort_keys=False))
    out = tmp_path / "out"
    command = ["--config", str(path), "--out", str(out), "--wandb", "disabled"]
    assert benchmark_command(command) == 0
    sentence = (
        "2 trials (random) per method and task, on seed 7, the same budget for every method, picked by information_max"
    )
    assert sentence in capsys.readouterr().out
    assert sentence in (out / "table.md").read_text() and sentence in (out / "report.html").read_text()
    assert "reruns on 2 seeds (0, 1)." in (out / "search.md").read_text()
    assert [(r.method, r.seed) for r in read_results(out)] == [(m, s) for m in ("DANN", "SourceOnly") for s in (0, 1)]
    for cell in (out / "search" / "toy").glob("*/*"):
        assert trial_scores(cell).get("information_maximisation") is not None
        assert trial_scores(cell).get("oracle") is not None
    times = {p: p.stat().st_mtime_ns for p in out.rglob("result.json")}
    assert benchmark_command(command) == 0
    assert {p: p.stat().st_mtime_ns for p in out.rglob("result.json")} == times and len(times) == 8

    # The report needs no more than the files.
    shutil.move(out, tmp_path / "moved")
    (tmp_path / "moved" / "search.csv").unlink()
    assert report_command([str(tmp_path / "moved")]) == 0
    lines = (tmp_path / "moved" / "search.csv").read_text().splitlines()
    assert len([line for line in lines if ",oracle," in line]) == 4
    assert sum(line.endswith(",1") for line in lines if ",oracle," in line) == 2


def developing(**search: Any) -> dict[str, Any]:
    written = content(rule=["information_maximisation", "oracle"], development=["a", "b"], **search)
    return written | {
        "tasks": {
            task: {"data": {"class_path": "Moons", "init_args": {"target": f"moons_{k}"}}}
            for k, task in enumerate("abcd")
        }
    }


def test_settings_are_chosen_on_development_tasks_and_judged_on_the_others(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, developing())
    assert plan.search is not None
    run_search(plan, searching)
    out = tmp_path / "out"
    trials = read_results(out / "search")
    # Three trials of two methods on two tasks, the same settings on both.
    assert ({r.task for r in trials}, len(trials)) == ({"a", "b"}, 12)
    study_a, study_b = (
        [trial["settings"] for trial in study["trials"]]
        for study in json.loads((out / "search.json").read_text())["studies"]
        if study["method"] == "DANN"
    )
    assert study_a == study_b
    # Only the other tasks are the result, in either folder.
    rates = sorted(settings[LR] for settings in study_a)
    for folder, expected in ((out, rates[0]), (out / "picked-by-oracle", rates[-1])):
        results = read_results(folder)
        assert {r.task for r in results} == {"c", "d"}
        for r in (r for r in results if r.method == "DANN"):
            config = yaml.safe_load((r.directory / "cell.yaml").read_text())
            # Information maximisation likes low learning rates, the oracle high ones.
            assert config["model"]["init_args"]["optimizer"]["init_args"]["lr"] == pytest.approx(expected)
    report = read_search_report(out)
    assert report is not None
    assert {study.picks["information_maximisation"] for study in report.studies if study.method == "DANN"} == {
        study_a.index(min(study_a, key=lambda settings: settings[LR]))
    }
    assert "on 2 development tasks (a, b)" in search_sentence(report)


@pytest.mark.parametrize("change", [{}, {"development": ["a", "b"]}, {"sampler": "tpe"}])
def test_an_own_score_picks_the_settings(tmp_path: Path, change: dict[str, Any]) -> None:
    written = developing()
    written["base"]["trainer"] = {"callbacks": [{"class_path": "Scores", "init_args": {"own": ["own_.MyScore"]}}]}
    written["search"] = content()["search"] | {"rule": "my_score"} | change

    def scored(cell: Cell) -> list[Row]:
        found = searching(cell)
        lr = cell.config["model"]["init_args"]["optimizer"]["init_args"]["lr"]
        (cell.directory / "metrics.csv").write_text(f"step,val/own/my_score\n1,{lr}\n2,-1\n3,nan\n")
        return found

    run_search(plan_of(tmp_path, written), scored)
    report = read_search_report(tmp_path / "out")
    assert report is not None and "picked by my_score" in search_sentence(report)
    for study in report.studies:
        rates = [trial.settings[LR] for trial in study.trials]
        assert study.picks["my_score"] == rates.index(max(rates))
        assert [trial.scores["my_score"] for trial in study.trials] == pytest.approx(rates)
        folder = tmp_path / "out" / ("c" if "development" in change else study.task) / study.method / "0"
        config = yaml.safe_load((folder / "cell.yaml").read_text())
        assert config["model"]["init_args"]["optimizer"]["init_args"]["lr"] == pytest.approx(max(rates))
    written["search"]["rule"] = "my_scor"
    with pytest.raises(AdaptError, match="unknown rule 'my_scor'; did you mean 'my_score'"):
        plan_of(tmp_path, written)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"development": ["a", "x"]}, "development: unknown task 'x'"),
        ({"development": ["a", "b", "c", "d"]}, "tasks that are left for the result"),
        ({"development": ["a"], "sampler": "tpe"}, "expected `sampler: random`, found tpe"),
    ],
)
def test_development_tasks_that_cannot_be(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    written = developing()
    written["search"] |= change
    with pytest.raises(AdaptError, match=words):
        plan_of(tmp_path, written)


def test_a_pair_of_domains_is_not_both_chosen_on_and_judged_on(tmp_path: Path) -> None:
    written = developing()
    for task, target in (("b", "moons_9"), ("c", "moons_9")):
        written["tasks"][task] = {"data": {"class_path": "Moons", "init_args": {"source": "moons", "target": target}}}
    with pytest.raises(AdaptError, match=r"'b' and 'c' are the same pair of domains \(Moons moons → moons_9\)"):
        plan_of(tmp_path, written)


def test_the_protocols_are_plans_whose_tasks_are_disjoint_and_whose_spaces_are_published() -> None:
    for name, chosen, judged in (("small", 2, 2), ("amazon", 4, 8), ("pacs", 4, 8)):
        plan = read_plan(ROOT / f"configs/benchmarks/protocol_{name}.yaml", Path("out"))
        assert plan.search is not None
        assert (len(plan.search.development), len(plan.tasks)) == (chosen, chosen + judged)
        sizes = {method: len(space) for method, space in plan.search.spaces.items()}
        assert all(3 <= size <= 5 for method, size in sizes.items() if method != "TENT"), sizes
        assert plan.search.rules == ("information_maximisation", "oracle")


@pytest.mark.slow
def test_the_small_protocol_runs_and_has_its_table(tmp_path: Path) -> None:
    out = tmp_path / "out"
    config = str(ROOT / "configs/benchmarks/protocol_small.yaml")
    assert benchmark_command(["--config", config, "--out", str(out), "--wandb", "disabled"]) == 0
    script = [sys.executable, str(ROOT / "benchmarks/protocol.py"), str(out)]
    text = subprocess.run(script, capture_output=True, text=True, check=True).stdout
    assert "settings by information_maximisation | settings by the oracle | price |" in text
    assert "3 trials (random) per method on 2 development tasks (20 degrees, 45 degrees)" in text
    for method in ("SourceOnly", "MMD", "DANN"):
        assert f"| {method} | none |" in text
