"""The configurations that come with adapt, by their names, in a folder that holds none of them."""

from pathlib import Path

import pytest
import yaml

from adapt.benchmark.plan.plan import read_plan
from adapt.commands import grids
from adapt.commands.main import main
from adapt.errors import AdaptError
from adapt.shipped import config_file, configs, with_files

ROOT = Path(__file__).parents[2]
QUIET = ["--trainer.max_steps=2", "--trainer.max_epochs=-1", "--trainer.enable_progress_bar=false"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_task_and_method_are_trained_by_name_and_the_run_is_read_without_its_ending() -> None:
    assert main(["fit", "--config", "tasks/moons", "--config=methods/dann.yaml", *QUIET, "--run_dir", "run"]) == 0
    assert yaml.safe_load(Path("run/config.yaml").read_text())["model"]["class_path"].endswith("DANN")
    assert main(["validate", "-c", "run/config"]) == 0


def test_a_benchmark_is_read_by_name_with_the_files_that_it_names(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    monkeypatch.setattr(grids, "benchmark_command", lambda args: seen.extend(args) or 0)
    assert main(["benchmark", "--config", "benchmarks/quickstart", "--jobs", "2"]) == 0
    assert seen[2:] == ["--jobs", "2"]
    assert {cell.method for cell in read_plan(Path(seen[1])).cells} >= {"SourceOnly", "DANN"}


@pytest.mark.parametrize("given", ["methods/dann", "methods/dann.yaml"])
@pytest.mark.parametrize("own", ["methods/dann", "methods/dann.yaml"])
def test_a_file_of_the_current_folder_comes_first(own: str, given: str) -> None:
    Path("methods/source_only").mkdir(parents=True)  # a folder is no configuration, and hides none
    shipped = str(ROOT / "configs/methods/dann.yaml")
    assert config_file(given) == shipped
    Path(own).write_text("model: SourceOnly\n")
    found = config_file(given)
    assert found == (shipped if given.endswith(".yaml") and own == "methods/dann" else own)
    assert config_file("methods/source_only") == str(ROOT / "configs/methods/source_only.yaml")


def test_only_the_values_of_config_are_looked_up() -> None:
    words = ["fit", "--run_dir", "methods/dann", "--config", "methods/dann", "--data.root=tasks/moons", "--config"]
    shipped = str(ROOT / "configs/methods/dann.yaml")
    assert with_files(words) == [*words[:4], shipped, *words[5:]]


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("methods/dan", "methods/dann"),
        ("dann", "methods/dann?"),
        ("moons.yaml", "tasks/moons?"),
        ("configs/methods/dann.yaml", "methods/dann?"),
        ("./methods/dann", "methods/dann?"),
        ("benchmark/quickstart", "benchmarks/quickstart"),
    ],
)
@pytest.mark.parametrize("command", ["fit", "benchmark", "features"])
def test_a_slip_is_answered_with_the_names_that_are_near(
    command: str, given: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, "--config", given]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"Expected a YAML file at {given}, found none" in line
    assert meant in line
    assert "`adapt configs`" in line


def test_what_is_like_none_of_them_is_left_to_who_reads_it() -> None:
    assert config_file("elsewhere/mine.yaml") == "elsewhere/mine.yaml"
    with pytest.raises(AdaptError):
        config_file("methods/min_entt")


def test_the_list_names_every_file_with_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["configs"]) == 0
    *lines, where = capsys.readouterr().out.splitlines()
    listed = dict(line.split(maxsplit=1) for line in lines if line)
    files = {path.relative_to(ROOT / "configs").with_suffix("").as_posix() for path in ROOT.glob("configs/*/*.yaml")}
    assert set(listed) == set(configs()) == files
    assert all(path.read_text(encoding="utf-8").startswith(f"# {listed[name]}") for name, path in configs().items())
    assert Path(where.removeprefix("Their files: ")) == ROOT / "configs"


def test_the_wheel_holds_them_where_an_installed_package_looks() -> None:
    wheel = pytest.importorskip("hatchling.builders.wheel", reason="hatchling is not installed (pip install -e .[dev])")
    inside = {file.distribution_path for file in wheel.WheelBuilder(str(ROOT)).recurse_included_files()}
    assert {path for path in inside if path.startswith("adapt/configs/")} == {
        f"adapt/configs/{name}.yaml" for name in configs()
    }
    assert "adapt/shipped.py" in inside
    assert {path.split("/")[0] for path in inside} == {"adapt"}
