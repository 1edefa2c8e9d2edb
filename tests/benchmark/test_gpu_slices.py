"""benchmarks/gpu/run.py: a plan that is the same from any folder, and slices that continue."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from adapt.benchmark.plan.plan import read_plan

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("gpu_slices", ROOT / "benchmarks" / "gpu" / "run.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "gpu_slices", module)
    spec.loader.exec_module(module)
    return module


def test_the_copied_plan_is_the_shipped_one_but_for_length_and_share(script: ModuleType, tmp_path: Path) -> None:
    shipped = read_plan(script.PLAN, tmp_path / "a", "disabled")
    copied = read_plan(script.own_plan(script.PLAN, tmp_path / "b", 4, None), tmp_path / "b", "disabled")
    assert [cell.config_hash for cell in copied.cells] == [cell.config_hash for cell in shipped.cells]
    assert {cell.resources.gpu for cell in copied.cells} == {0.25}
    assert len(copied.cells) == 360


def test_short_runs_are_short_everywhere(script: ModuleType, tmp_path: Path) -> None:
    plan = read_plan(script.own_plan(script.PLAN, tmp_path / "c", 1, 5), tmp_path / "c", "disabled")
    lengths = {(c.config["trainer"]["max_steps"], c.config["trainer"]["val_check_interval"]) for c in plan.cells}
    assert lengths == {(5, 5)}


@pytest.mark.slow
def test_slices_continue_until_nothing_is_left(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = tmp_path / "tiny.yaml"
    configs = ROOT / "configs"
    plan.write_text(
        f"name: tiny\nseeds: [0]\nembeddings: false\ntasks: {{moons: {configs}/tasks/moons.yaml}}\n"
        f"methods: {{SourceOnly: {configs}/methods/source_only.yaml, DANN: {configs}/methods/dann.yaml}}\n"
    )
    words = ["--plan", str(plan), "--out", str(tmp_path / "runs"), "--steps", "5"]
    assert script.main([*words, "--minutes", "0.01"]) == script.MORE_TO_RUN
    assert "has to be longer than one cell" in capsys.readouterr().out
    assert script.main([*words, "--minutes", "9"]) == 0
    assert "All 2 cells are done" in capsys.readouterr().out
