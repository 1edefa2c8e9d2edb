"""A cell of a grid is what `adapt fit` and `adapt test` give, and one finished run of Weights & Biases."""

import json
import os
from pathlib import Path

import pytest
import torch
import yaml
from filelock import FileLock

from adapt.benchmark.plan.plan import read_plan
from adapt.benchmark.results.results import read_results
from adapt.cli import main
from adapt.selection import DEFAULT_SCORES
from tests.training.test_commands import TOY
from tests.wandb_file import config_of, history_of, read_records, run_files

METHODS = {
    "SourceOnly": {"model": {"class_path": "SourceOnly"}},
    "Tuned": {
        "config": {"model": {"class_path": "FineTuning"}, "data": {"init_args": {"shots": 3}}},
        "init_from": "SourceOnly",
    },
    "DANN": {"model": {"class_path": "DANN", "init_args": {"discriminator_hidden": 32}}},
    "Diverging": {"model": {"class_path": "DANN", "init_args": {"weight": 1e39}}},
    "TargetOnly": {"model": {"class_path": "TargetOnly"}},
}


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return run_grid(root / "grid")
    # One grid for the workers together: it takes half a minute.
    folder = root.parent / "grid"
    with FileLock(folder.with_suffix(".lock")):
        return folder if folder.exists() else run_grid(folder)


def run_grid(folder: Path) -> Path:
    folder.mkdir()
    plan = {"name": "grid", "seeds": [0], "tasks": {"toy": TOY}, "methods": METHODS}
    (folder / "plan.yaml").write_text(yaml.safe_dump(plan))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WANDB_MODE", "offline")
        patch.setenv("WANDB_SILENT", "true")
        code = main(["benchmark", "--config", str(folder / "plan.yaml"), "--out", str(folder / "runs")])
    assert code == 1  # one cell diverges
    return folder


def test_a_cell_is_fit_and_test_on_its_saved_configuration(grid: Path, tmp_path: Path) -> None:
    cell = grid / "runs" / "toy" / "DANN" / "0"
    again = ["fit", "--config", str(cell / "config.yaml"), "--trainer.logger", "false"]
    assert main([*again, "--run_dir", str(tmp_path / "again")]) == 0
    assert main(["test", "--config", str(tmp_path / "again" / "config.yaml")]) == 0
    one, two = (
        torch.load(path / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
        for path in (cell, tmp_path / "again")
    )
    assert all(torch.equal(one[name], two[name]) for name in one)
    accuracies = json.loads((tmp_path / "again" / "test.json").read_text())
    rows = {row["rule"]: row for row in json.loads((cell / "result.json").read_text())["rows"]}
    assert rows["last"]["target_accuracy"] == accuracies["test/target_accuracy"]
    assert rows["last"]["source_accuracy"] == accuracies["test/source_accuracy"]
    assert set(rows) == {"last", "source_accuracy", *DEFAULT_SCORES, "oracle"}


def test_each_rule_is_its_own_checkpoints_accuracy(grid: Path) -> None:
    cell = grid / "runs" / "toy" / "DANN" / "0"
    rows = json.loads((cell / "result.json").read_text())["rows"]
    by_step = {row["step"]: row for row in rows}
    assert len(by_step) > 1
    assert all(row["target_accuracy"] == by_step[row["step"]]["target_accuracy"] for row in rows)
    # Rules that picked the same step share its checkpoint.
    for row in by_step.values():
        checkpoint = cell / "checkpoints" / f"{row['rule']}.ckpt"
        assert main(["test", "--config", str(cell / "config.yaml"), "--ckpt_path", str(checkpoint)]) == 0
        accuracies = json.loads((cell / "test.json").read_text())
        assert row["target_accuracy"] == accuracies["test/target_accuracy"]
        assert row["step"] == torch.load(checkpoint, weights_only=True)["global_step"]


def test_settings_and_statuses_are_told(grid: Path) -> None:
    found = {result.method: (result.setting, result.status) for result in read_results(grid / "runs")}
    assert found == {
        "SourceOnly": ("source-only", "ok"),
        "Tuned": ("few-shot (3 per class)", "ok"),
        "DANN": ("unsupervised", "ok"),
        "Diverging": ("unsupervised", "diverged"),
        "TargetOnly": ("target labels", "ok"),
    }
    error = next(r.error for r in read_results(grid / "runs") if r.status == "diverged")
    assert error is not None
    assert "'domain' of DANN is not finite at step 0" in error


def test_a_method_starts_from_the_others_run_of_the_same_seed(grid: Path) -> None:
    saved = yaml.safe_load((grid / "runs/toy/Tuned/0/config.yaml").read_text())
    assert saved["model"]["init_args"]["init_from"].endswith("SourceOnly/0/checkpoints/last.ckpt")


def test_each_cell_is_one_finished_run_with_its_whole_configuration(grid: Path) -> None:
    (path,) = run_files(grid / "runs" / "toy" / "DANN" / "0")
    records = read_records(path)
    run = next(record.run for record in records if record.HasField("run"))
    assert (run.run_group, run.job_type, run.project) == ("grid", "DANN", "adapt")
    assert {"toy", "seed 0"} <= set(run.tags)
    assert [record.exit.exit_code for record in records if record.HasField("exit")] == [0]
    config = config_of(records)
    flat = json.dumps(config)
    assert "discriminator_hidden" in flat
    assert '"max_steps": 12' in flat or config.get("trainer/max_steps") == 12
    history = history_of(records)
    assert {"train/loss", "train/domain_accuracy", "train/lambda", "val/source_accuracy", "val/snd"} <= set(history)
    assert any(key.startswith("embedding") for key in history)
    assert any(key.startswith("confusion") for key in history)


def test_a_cell_can_keep_the_last_checkpoint_alone_with_the_rows_of_all_rules(grid: Path, tmp_path: Path) -> None:
    own = {"SourceOnly": METHODS["SourceOnly"]}
    plan = {"name": "small", "seeds": [0], "checkpoints": "last", "tasks": {"toy": TOY}, "methods": own}
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(plan))
    command = ["benchmark", "--config", str(tmp_path / "plan.yaml"), "--out", str(tmp_path / "runs")]
    assert main([*command, "--wandb", "disabled"]) == 0
    (small,), every = (read_results(path) for path in (tmp_path / "runs", grid / "runs"))
    assert small.rows == next(result.rows for result in every if result.method == "SourceOnly")
    assert [path.name for path in (small.directory / "checkpoints").iterdir()] == ["last.ckpt"]


def test_a_diverged_cell_is_a_run_that_failed(grid: Path) -> None:
    (path,) = run_files(grid / "runs" / "toy" / "Diverging" / "0")
    assert [r.exit.exit_code for r in read_records(path) if r.HasField("exit")] == [1]


def test_the_comparison_is_one_run_of_its_own(grid: Path) -> None:
    runs = [r.run for path in run_files(grid / "runs") for r in read_records(path) if r.HasField("run")]
    comparison = [run for run in runs if run.job_type == "comparison"]
    assert len({run.run_id for run in comparison}) == 1
    assert comparison[0].run_group == "grid"


def test_a_second_call_runs_nothing_again(grid: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in (grid / "runs").rglob("result.json")}
    words = ["benchmark", "--config", str(grid / "plan.yaml"), "--out", str(grid / "runs"), "--wandb", "disabled"]
    assert main(words) == 1
    assert before == {path: path.stat().st_mtime_ns for path in (grid / "runs").rglob("result.json")}


def test_every_benchmark_file_is_a_plan() -> None:
    for path in sorted((Path(__file__).parents[2] / "configs" / "benchmarks").glob("*.yaml")):
        assert read_plan(path).cells
