"""What README and documentation print works as printed, their paths exist, and the made pages are up to date."""

import json
import re
import runpy
from pathlib import Path

import pytest
import torch
import yaml

from adapt import overview
from adapt.benchmark.vocabulary import DEFAULT_RULE
from adapt.cli import main
from adapt.errors import AdaptError
from adapt.methods import MMD, Method
from tests.toy import CLASSES, target_accuracy, train
from tests.zoo import CASES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PAGES = {path.stem: path.read_text() for path in (ROOT / "docs").glob("*.md")}
METHOD, BACKBONE, DATA, PYTHON = (PAGES[name] for name in ("own-method", "own-backbone", "own-data", "python"))
MAKE = runpy.run_path(str(ROOT / "docs/make.py"))
QUIET = ["--trainer.logger", "false", "--trainer.enable_progress_bar", "false", "--trainer.accelerator", "cpu"]


def printed(name: str) -> str:
    blocks = re.findall(r"```python\n(.*?)```", METHOD + BACKBONE + DATA + PYTHON, re.S)
    return next(block for block in blocks if block.startswith(f"# {name}\n"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("my_method.py", "my_data.py", "my_penalty.py", "my_backbone.py"):
        (tmp_path / name).write_text(printed(name))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_the_own_method_runs_from_the_command_line_as_printed(folder: Path) -> None:
    command = re.search(r"`adapt (fit [^`]*my_method\.MeanAlignment)`", METHOD)
    assert command is not None
    args = command[1].replace("configs/", f"{ROOT}/configs/").split()
    assert main([*args, *QUIET, "--trainer.max_steps", "5", "--run_dir", "run"]) == 0
    assert (folder / "run" / "checkpoints" / "last.ckpt").exists()
    assert len(printed("my_method.py").splitlines()) <= 40


@pytest.mark.parametrize("own", ["my_penalty", "my_backbone"])
def test_the_own_penalty_and_backbone_run_as_printed(own: str, folder: Path) -> None:
    command = re.search(rf"`adapt (fit [^`]*{own}\.[^`]*)`", METHOD + BACKBONE)
    assert command is not None
    args = command[1].replace("configs/", f"{ROOT}/configs/").split()
    assert main([*args, *QUIET, "--trainer.max_steps", "5", "--run_dir", "run"]) == 0


def test_the_script_runs_as_printed(folder: Path) -> None:
    script = (
        printed("train.py")
        .replace("max_steps=300", "max_steps=4")
        .replace("logger=False", "logger=False, enable_progress_bar=False")
    )
    (folder / "train.py").write_text(script)
    runpy.run_path(str(folder / "train.py"))


@pytest.mark.parametrize(
    ("name", "length", "short"), [("digits", "=400", "=4"), ("arrays", "STEPS = 300", "STEPS = 4")]
)
def test_a_notebook_runs_and_was_executed(name: str, length: str, short: str, folder: Path) -> None:
    cells = json.loads((ROOT / f"docs/notebooks/{name}.ipynb").read_text())["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert len(cells) <= 16 and all(cell["execution_count"] for cell in code)
    source = "\n".join("".join(cell["source"]) for cell in code)
    assert length in source
    exec(compile(source.replace(length, short), f"{name}.ipynb", "exec"), {})


def test_the_own_method_learns(folder: Path) -> None:
    from my_method import MeanAlignment

    from adapt.methods import SourceOnly

    ours = target_accuracy(*train(MeanAlignment, folder / "a"))
    assert ours > target_accuracy(*train(SourceOnly, folder / "b")) + 0.05
    assert CLASSES == 4


def test_the_own_dataset_runs_as_printed(folder: Path) -> None:
    command = re.search(r"`adapt (fit --data my_data\.Rings[^`]*)`", DATA)
    assert command is not None
    assert main([*command[1].split(), *QUIET, "--trainer.max_epochs", "2", "--run_dir", "run"]) == 0
    saved = torch.load(folder / "run" / "checkpoints" / "last.ckpt", weights_only=True)
    assert len(saved["adapt"]["problem"]["names"]) == 2


def test_the_paths_in_readme_and_documentation_exist() -> None:
    named = set(re.findall(r"(?:configs|benchmarks)/[\w./-]*\w", README + "".join(PAGES.values())))
    assert len(named) > 5
    assert not [path for path in named if not (ROOT / path).exists()]


def test_the_tests_that_the_table_of_checks_names_exist() -> None:
    named = set(re.findall(r"tests/[\w/]+\.py", PAGES["checked"]))
    assert len(named) > 20
    assert not [path for path in named if not (ROOT / path).exists()]


def test_the_methods_pages_are_what_the_classes_say() -> None:
    made = MAKE["pages"]()
    there = {path: path.read_text() for path in (ROOT / "docs/methods").glob("*.md")}
    assert made == there, "run `python docs/make.py`"


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 110


def test_every_method_file_stands_in_the_table_and_in_the_zoo() -> None:
    files = {path.stem for path in (ROOT / "adapt" / "methods").glob("*.py")}
    classes = overview.methods()
    own = {method.__module__.rsplit(".", 1)[1] for method in classes}
    assert files - own == {
        "__init__",
        "alternating",
        "base",
        "late",
        "optimization",
        "checkpoints",
        "evaluation",
        "global_batch",
        "mapping",
        "memory",
        "randomness",
        "refusals",
        "restyled_images",
        "sharpness",
        "whole_domain",
        "several_sources",
        "teacher",
    }
    assert {case.method for case in CASES.values()} == set(classes)


def test_every_regulariser_file_stands_in_the_table_and_in_the_zoo() -> None:
    files = {path.stem for path in (ROOT / "adapt" / "regularisers").glob("*.py")}
    classes = overview.regularisers()
    assert files - {cls.__module__.rsplit(".", 1)[1] for cls in classes} == {"__init__", "base"}
    used = (case.options.get("regulariser") for case in CASES.values())
    assert {type(regulariser) for regulariser in used if regulariser is not None} == set(classes)


def test_a_reference_is_read_from_the_docstring_and_its_lack_is_refused() -> None:
    assert overview.papers(MMD).startswith(
        "[Tzeng et al., Deep Domain Confusion, 2014](https://arxiv.org/abs/1412.3474); [Long"
    )
    with pytest.raises(AdaptError, match="Paper: authors"):
        overview.papers(type("Unread", (Method,), {"__doc__": "No reference."}))


def test_the_sweep_calls_adapt_fit_as_it_would_be_typed(folder: Path) -> None:
    sweep = yaml.safe_load((ROOT / "configs/sweeps/dann_optdigits.yaml").read_text())
    assert sweep["command"][0] == "adapt"
    chosen = [f"--{key}={value.get('min', value.get('values', [0])[0])}" for key, value in sweep["parameters"].items()]
    args = [word.replace("configs/", f"{ROOT}/configs/") for word in sweep["command"][1:-1]] + chosen
    assert main([*args, *QUIET, "--trainer.max_steps", "2", "--run_dir", "run"]) == 0
    saved = yaml.safe_load((folder / "run" / "config.yaml").read_text())
    assert saved["model"]["init_args"]["weight"] == sweep["parameters"]["model.weight"]["min"]
    # What is maximised is the headline's rule, which every run logs and which reads no target label.
    assert sweep["metric"] == {"name": f"val/{DEFAULT_RULE}", "goal": "maximize"}
    assert sweep["metric"]["name"] in (folder / "run" / "metrics.csv").read_text().splitlines()[0]


def test_lists_on_the_command_line_are_quoted() -> None:
    places = [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", *(ROOT / "adapt").rglob("*.py")]
    bare = re.compile(r"--[a-z_][\w.+]*[ =]\[")  # bash takes it for file names, zsh refuses it
    assert [str(path) for path in places if bare.search(path.read_text(encoding="utf-8"))] == []
