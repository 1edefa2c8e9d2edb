import shutil
from pathlib import Path

import pytest
import yaml

from adapt.commands.grids import benchmark_command, report_command
from adapt.errors import AdaptError
from tests.benchmark.synthetic import run_cell, trace
from tests.wandb_file import read_records, run_files

PLAN = """
name: small
seeds: [0, 1]
tasks: {a → b: {}}
methods:
  SourceOnly: {model: {class_path: SourceOnly}}
  DANN: {model: {class_path: DANN}}
"""


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("adapt.benchmark.run.train_and_test.run_cell", run_cell)
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "small.yaml"
    path.write_text(PLAN, encoding="utf-8")
    return path


def test_a_benchmark_ends_with_table_page_and_logged_comparison(plan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert benchmark_command(["--config", str(plan), "--wandb", "offline", "--project", "mine"]) == 0
    shown = capsys.readouterr().out
    assert "4/4 ok a → b / DANN / seed 1" in shown
    assert "50.5 [50.0, 51.0]" in shown
    assert "runs/small/report.html" in shown
    (path,) = run_files(Path("runs/small"))
    runs = [record.run for record in read_records(path) if record.HasField("run")]
    assert [(run.project, run.run_group) for run in runs] == [("mine", "small")]

    page = Path("runs/small/report.html")
    page.unlink()
    assert report_command(["runs/small"]) == 0
    assert f"adapt benchmark --config {plan.name} " in page.read_text()
    assert len(trace(Path("runs/small"))) == 4


def test_parts_by_seed_can_be_put_together(plan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    quiet = ["--config", str(plan), "--wandb", "disabled"]
    for seed in "01":
        assert benchmark_command([*quiet, "--seeds", seed, "--out", f"parts/{seed}"]) == 0
        assert trace(Path("parts") / seed) == [f"SourceOnly {seed}", f"DANN {seed}"]
        shutil.copytree(Path("parts") / seed, "runs/small", dirs_exist_ok=True)
    (Path("runs/small") / "trace.txt").unlink()
    assert benchmark_command(quiet) == 0
    assert trace(Path("runs/small")) == []
    assert "50.5 [50.0, 51.0]" in capsys.readouterr().out
    for typed in (["1,2"], ["1", "2"]):
        with pytest.raises(AdaptError, match=r"Expected --seeds of the benchmark \(0, 1\), found 2\."):
            benchmark_command([*quiet, "--seeds", *typed])


def test_a_failed_cell_gives_exit_code_1_and_still_a_report(plan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan.write_text(PLAN.replace("class_path: DANN}", "class_path: DANN}, do: fail, where: DANN"), encoding="utf-8")
    assert benchmark_command(["--config", str(plan), "--out", "out", "--wandb", "disabled"]) == 1
    assert "failed (2 of 2)" in Path("out/table.md").read_text()
    assert "--retry runs them again" in capsys.readouterr().out
    assert not run_files(Path("out"))


def test_a_stopped_grid_gives_exit_code_130(plan: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(cell: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("adapt.benchmark.run.train_and_test.run_cell", stop)
    assert benchmark_command(["--config", str(plan), "--wandb", "disabled"]) == 130


def test_a_comparison_that_cannot_be_logged_does_not_lose_the_benchmark(
    plan: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def down(*arguments: object) -> None:
        raise ConnectionError("no network")

    monkeypatch.setattr("adapt.commands.grids.log_comparison", down)
    assert benchmark_command(["--config", str(plan), "--wandb", "online"]) == 0
    assert "was not logged to Weights & Biases (ConnectionError: no network)" in capsys.readouterr().out
    assert Path("runs/small/table.md").exists()


def test_a_missing_plan_and_a_missing_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(AdaptError, match=r"nothing\.yaml"):
        benchmark_command(["--config", str(tmp_path / "nothing.yaml")])
    with pytest.raises(AdaptError, match="no such folder"):
        report_command([str(tmp_path / "nowhere")])


def test_own_classes_that_lie_beside_a_plan_alone_are_refused_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # They are not looked for there: a downloaded folder could bring its own code.
    monkeypatch.setattr("adapt.benchmark.run.train_and_test.run_cell", lambda cell: pytest.fail("a cell ran"))
    plans, here = tmp_path / "my plans", tmp_path / "here"
    plans.mkdir()
    here.mkdir()
    (plans / "beside_plan_.py").write_text("raise SystemExit('imported')\n")
    model = {"model": {"class_path": "SourceOnly", "init_args": {"backbone": {"class_path": "beside_plan_.Network"}}}}
    (plans / "mine.yaml").write_text(yaml.safe_dump(model))
    content = {"name": "p", "seeds": [0], "tasks": {"moons": "tasks/moons"}, "methods": {"Mine": "mine"}}
    (plans / "plan.yaml").write_text(yaml.safe_dump(content))
    monkeypatch.chdir(here)
    command = ["--config", "../my plans/plan.yaml", "--out", "out", "--wandb", "disabled"]
    with pytest.raises(AdaptError, match=r"class of beside_plan_\.py, which lies beside it\..* cd '.*my plans'"):
        benchmark_command(command)
    assert not Path("out").exists()
    monkeypatch.syspath_prepend(str(plans))
    with pytest.raises(pytest.fail.Exception, match="a cell ran"):
        benchmark_command(command)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"sampels": 100}, "Moons has no argument 'sampels'"),
        ({"samples": "many"}, "--data.samples expects int, found 'many'."),
        ({"shots": [1]}, "--data.shots expects"),
    ],
)
def test_a_wrong_data_argument_is_refused_before_any_cell_runs(
    wrong: dict[str, object], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapt.benchmark.run.train_and_test.run_cell", lambda cell: pytest.fail("a cell ran"))
    data = {"data": {"class_path": "Moons", "init_args": wrong}}
    one = {"data": {"init_args": wrong | {"source": "moons", "target": "moons_35"}, "class_path": "Moons"}}
    for task in ({"pairs": "all", "domains": ["moons", "moons_35"], "config": data}, one):
        content = {"name": "p", "seeds": [0], "tasks": {"a": task}, "methods": {"Source": "methods/source_only"}}
        (tmp_path / "plan.yaml").write_text(yaml.safe_dump(content))
        with pytest.raises(AdaptError) as error:
            benchmark_command(["--config", str(tmp_path / "plan.yaml"), "--out", str(tmp_path / "out")])
        assert said in str(error.value) and "plan.yaml, task '" in str(error.value)
        assert not (tmp_path / "out").exists()
