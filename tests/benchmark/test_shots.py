"""The benchmark of shots: what its plan trains on, and its picture."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adapt.benchmark.plan.plan import read_plan

ROOT = Path(__file__).parents[2]


def test_every_method_but_source_only_gets_the_task_s_shots_and_starts_from_source_only() -> None:
    plan = read_plan(ROOT / "configs/benchmarks/shots.yaml", Path("out"))
    for cell in plan.cells:
        shots = cell.config["data"]["init_args"]["shots"]
        steps = cell.config["trainer"]["max_steps"]
        if cell.method == "SourceOnly":
            assert (shots, steps, cell.setting) == (None, 1000, "source-only")
        else:
            assert cell.task.endswith(f", {shots} shot" + ("s" if shots > 1 else ""))
            assert (steps, cell.init_from, cell.setting) == (300, "SourceOnly", "few-shot")
    assert len(plan.tasks) == 8 and len(plan.methods) == 9 and len(plan.cells) == 8 * 9 * 3


@pytest.mark.slow
def test_the_curve_is_drawn_from_the_results_file(tmp_path: Path) -> None:
    lines = ["task,method,setting,seed,rule,source_accuracy,target_accuracy,status,wall_seconds,config_hash,commit"]
    for task in ("A → B", "A → C"):
        for shots in ("1 shot", "3 shots"):
            for method, setting in (("SourceOnly", "source-only"), ("FineTuning", "few-shot")):
                for seed, accuracy in enumerate(("0.5", "0.6", "")):
                    status = "ok" if accuracy else "failed"
                    lines.append(f'"{task}, {shots}",{method},{setting},{seed},last,,{accuracy},{status},1,x,')
    (tmp_path / "results.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    command = [sys.executable, str(ROOT / "benchmarks/shots/curve.py"), str(tmp_path), str(tmp_path / "curve.png")]
    subprocess.run(command, check=True, cwd=ROOT, env={"PYTHONPATH": str(ROOT), "PATH": ""})
    with Image.open(tmp_path / "curve.png") as image:
        assert image.width > 2 * 400 and len(np.unique(np.asarray(image))) > 10
