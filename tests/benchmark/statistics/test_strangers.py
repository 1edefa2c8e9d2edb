import json
import shutil
from pathlib import Path

import pytest

from adapt.benchmark.outputs.cautions import missing
from adapt.benchmark.results.results import read_results, write_result
from adapt.benchmark.statistics.analysis import analyse, read_analysis
from adapt.errors import AdaptError
from tests.benchmark.synthetic import result


def write(out: Path, method: str = "DANN", steps: tuple[int, ...] = (8, 8), accuracy: float = 0.5) -> None:
    for seed, number in enumerate(steps):
        directory = out / "a-to-b" / method / str(seed)
        directory.mkdir(parents=True)
        write_result(result("a → b", method, seed, accuracy, directory))
        start = f"runs/{out.name}/a-to-b/SourceOnly/{seed}/checkpoints/last.ckpt"
        lines = ["model:", "  init_args:", f"    init_from: {start}", "trainer:", f"  max_steps: {number}"]
        (directory / "cell.yaml").write_text("\n".join([*lines, f"seed_everything: {seed}"]) + "\n")


def test_seeds_of_one_experiment_are_no_mixture(tmp_path: Path) -> None:
    write(tmp_path)
    assert missing(read_analysis(tmp_path)) == []


def test_seeds_with_different_settings_are_told(tmp_path: Path) -> None:
    write(tmp_path, steps=(8, 8, 200))
    write(tmp_path, "MMD")
    (said,) = missing(read_analysis(tmp_path))
    assert "DANN on a → b, seeds 0, 1 and seed 2 (trainer.max_steps: 8 → 200)" in said
    assert "MMD" not in said


def test_keys_in_another_order_are_no_other_settings(tmp_path: Path) -> None:
    write(tmp_path, steps=(8, 8, 8))
    start = "    init_from: 'runs/a long name with\n      blanks/a-to-b/SourceOnly/2/checkpoints/last.ckpt'"
    lines = ["seed_everything: 2", "trainer: {max_steps: 8}", "model:", "  init_args:", start]
    (tmp_path / "a-to-b" / "DANN" / "2" / "cell.yaml").write_text("\n".join(lines) + "\n")
    assert missing(read_analysis(tmp_path)) == []


def test_what_the_plan_does_not_hold_is_told(tmp_path: Path) -> None:
    write(tmp_path)
    write(tmp_path, "SHOT")
    plan = {"benchmark": "b", "tasks": ["a → b"], "methods": ["DANN"], "seeds": [0, 1], "command": ""}
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    (said,) = missing(read_analysis(tmp_path))
    assert said.startswith("Not in the plan, but in the folder and in these numbers: method SHOT.")
    (tmp_path / "plan.json").write_text(json.dumps(plan | {"seeds": [1], "all_seeds": [1, 2]}))
    (said,) = missing(read_analysis(tmp_path))
    assert said.startswith("Not in the plan, but in the folder and in these numbers: method SHOT, seed 0.")


def test_a_copy_of_a_cell_is_left_out_and_said(tmp_path: Path) -> None:
    write(tmp_path, accuracy=0.8)
    shutil.copytree(tmp_path / "a-to-b" / "DANN", tmp_path / "a-to-b" / "DANN_old")
    for path in (tmp_path / "a-to-b" / "DANN_old").glob("*/result.json"):
        path.write_text(path.read_text().replace("0.8", "0.3"))
    with pytest.warns(UserWarning, match="DANN_old.* holds a second result of a → b / DANN / seed 0"):
        summary = analyse(read_results(tmp_path)).leading
    assert summary.cells["DANN", "a → b"].mean == pytest.approx(0.79, abs=0.011)
    (tmp_path / "a-to-b" / "DANN").rename(tmp_path / "a-to-b" / "DANN_new")
    with pytest.raises(AdaptError, match="Expected one result of a → b / DANN / seed 0, found two"):
        read_results(tmp_path)
