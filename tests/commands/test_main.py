"""The command as a whole: what it loads, where it finds own code, and how it ends whatever happens."""

import errno
import io
import os
import re
import subprocess
import sys
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

import pytest
import yaml

import adapt.training.cli
from adapt.commands.main import USAGE, in_words, main
from adapt.errors import AdaptError, DivergedError
from adapt.paths import hiding, make_importable
from tests.training.test_commands import TOY, task  # noqa: F401  # a fixture

OWN = """
from adapt.backbones import MLP
from adapt.methods import SourceOnly
from lightning.pytorch import Callback
class Mine(SourceOnly):
    pass
class Network(MLP):
    pass
class Watch(Callback):
    pass
"""


@pytest.mark.parametrize(
    "words", [["--help"], ["--version"], ["benchmark", "--help"], ["fit", "--help"], ["report"], ["tset"], ["configs"]]
)
def test_help_and_slips_load_neither_torch_nor_lightning(words: list[str]) -> None:
    code = "import atexit, sys\natexit.register(lambda: print({'torch', 'lightning', 'wandb'} & set(sys.modules)))\n"
    code += f"from adapt.commands.main import main\nmain({words})"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert done.stdout.strip().splitlines()[-1] == "set()", done.stdout + done.stderr


def test_own_code_of_the_working_folder_is_found_from_a_configuration_in_a_subfolder(
    task: str,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    Path("own_code_.py").write_text(OWN)
    Path("a folder", "deep").mkdir(parents=True)
    model = {"class_path": "own_code_.Mine", "init_args": {"backbone": {"class_path": "own_code_.Network"}}}
    trainer = TOY["trainer"] | {"callbacks": [{"class_path": "own_code_.Watch"}], "enable_progress_bar": True}
    Path("a folder", "deep", "mine.yaml").write_text(yaml.safe_dump({"model": model, "trainer": trainer}))
    words = ["--config", task, "--config", "a folder/deep/mine.yaml", "--run_dir", "my runs 😀/it's"]
    assert main(["fit", *words]) == 0
    printed = re.search(r"test: (adapt test .*)", capsys.readouterr().out)
    assert printed is not None
    pasted = subprocess.run(["sh", "-c", f"printf '%s\\n' {printed[1]}"], capture_output=True, text=True)
    assert main(pasted.stdout.splitlines()[1:]) == 0


@pytest.mark.parametrize("name", ["a" * 255, "😀", "x y/z", "..", "1"])
def test_any_name_of_a_domain_makes_a_folder(
    name: str,
    task: str,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tests.toy.Shifted.known_domains", (name, "target"))
    assert main(["fit", "--config", task, "--model", "SourceOnly", "--data.source", name]) == 0
    (saved,) = Path("runs").glob("*/SourceOnly/0/config.yaml")
    assert yaml.safe_load(saved.read_text(encoding="utf-8"))["data"]["init_args"]["source"] == name
    assert main(["validate", "--config", str(saved)]) == 0


def test_a_broken_module_of_ours_ends_in_two_lines_and_a_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Compiled apart, for what stands in this file is a person's own code.
    ours: dict[str, Any] = {}
    exec(compile('def broken(args): raise ValueError("no\\nsense")', "<ours>", "exec"), ours)
    monkeypatch.setattr(adapt.training.cli, "AdaptCLI", ours["broken"])
    assert main(["fit"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "adapt: ValueError: no sense"
    file = Path(re.search(r"The traceback is in (\S+);", lines[1])[1])
    assert "in broken" in file.read_text()
    file.unlink()
    assert len(lines) == 2
    monkeypatch.setattr("tempfile.NamedTemporaryFile", ours["broken"])
    assert main(["fit"]) == 1
    assert "could not be written" in capsys.readouterr().err
    monkeypatch.setenv("ADAPT_DEBUG", "1")
    with pytest.raises(ValueError, match="sense"):
        main(["fit"])


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (AdaptError("wrong"), 2, "^wrong$"),
        (DivergedError("at step 3"), 3, "^diverged: at step 3$"),
        (KeyboardInterrupt(), 130, "^stopped.$"),
        (SystemExit(0), 0, "^$"),
        (SystemExit(5), 5, "^$"),
        (SystemExit("said"), 1, "^said$"),
        (OSError(errno.ENOSPC, "No space left on device", "runs/x"), 1, "^the disk is full while writing runs/x"),
        (
            RuntimeError("[gloo/transport/tcp/pair.cc:5] Connection closed by peer [127.0.0.1]"),
            1,
            "^another process of",
        ),
        (MemoryError(), 1, "^MemoryError There is not enough memory: try a smaller --data.batch_size.\n"),
        (RecursionError("maximum recursion depth exceeded"), 1, "^RecursionError: maximum recursion depth exceeded\n"),
        (PermissionError(errno.EACCES, "Permission denied", "x"), 1, "^PermissionError: .*'x'\n"),
        (RuntimeError("a\n" * 3000), 1, r"^RuntimeError: (a )+ ?\.\.\.\n"),
    ],
)
def test_whatever_is_raised_has_a_code_and_two_lines(error: BaseException, code: int, words: str) -> None:
    found, said = in_words(error)
    assert (found, bool(re.search(words, said))) == (code, True), said
    assert len(said.splitlines()) <= 2
    if file := re.search(r"traceback is in (\S+);", said):
        Path(file[1]).unlink()


def test_an_error_in_a_persons_own_file_names_file_and_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my_method.py").write_text("import json\ndef losses():\n    json.loads('no')\n")
    own: dict[str, Any] = {}
    exec(compile(Path("my_method.py").read_text(), str(tmp_path / "my_method.py"), "exec"), own)
    with pytest.raises(ValueError, match="Expecting value") as found:
        own["losses"]()
    code, said = in_words(found.value)
    assert (code, said.splitlines()[0][-25:]) == (1, "(in my_method.py, line 3)")
    assert said.splitlines()[1].startswith("The traceback is in ")
    Path(re.search(r"traceback is in (\S+);", said)[1]).unlink()


def test_own_files_do_not_hide_pythons_modules_and_those_that_hide_a_library_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    for name in ("queue", "statistics", "numpy", "my_method_"):
        Path(f"{name}.py").write_text("")
    make_importable(tmp_path)
    found = {name: PathFinder.find_spec(name) for name in ("queue", "statistics", "my_method_", "numpy")}
    own = [name for name, spec in found.items() if Path(spec.origin).parent == tmp_path]
    assert own == ["my_method_", "numpy"]
    assert [path.name for path in hiding(tmp_path)] == ["numpy.py"]
    code, said = in_words(ImportError("cannot import name 'randperm'"))
    assert code == 2
    assert said.splitlines()[1].startswith("In this folder lies numpy.py, ")


def test_an_exit_that_lightning_makes_of_ctrl_c_is_a_stop() -> None:
    try:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            sys.exit(1)
    except SystemExit as error:
        assert in_words(error) == (130, "stopped.")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_an_output_that_lacks_our_letters_is_no_error(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    monkeypatch.setattr("adapt.commands.main.USAGE", "→ ρ ↓ λ é " + USAGE)
    assert main(["--help"]) == 0
    assert main(["→ρ😀"]) == 2
    sys.stdout.flush()
    assert b"? ? ? ? " in raw.getvalue()


def test_closed_outputs_are_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", None)
    monkeypatch.setattr("sys.stderr", None)
    assert main(["configs"]) == 0
    assert main(["confgs"]) == 2


def test_a_folder_that_is_gone_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert main(["configs"]) == 2
    assert capsys.readouterr().err == (
        "adapt: Expected a working folder, found one that was deleted: change into another (cd).\n"
    )


def test_files_are_opened_with_an_encoding() -> None:
    opening = re.compile(r"(?:\.open|(?<![\w.])open|read_text|write_text)\((?![^\n]*(?:encoding=|\"[rwxa]b\"))")
    allowed = re.compile(r"Image\.open|webbrowser\.open|os\.open")
    for path in Path(adapt.__file__).parent.rglob("*.py"):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            assert not opening.search(line) or allowed.search(line), f"{path}, line {number}: {line}"


@pytest.mark.parametrize(("given", "kept"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_threads_of_a_grid_sleep_while_they_wait(
    given: str | None, kept: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Set first, so that the test's end takes away what the command sets.
    monkeypatch.setenv("OMP_WAIT_POLICY", given or "")
    if given is None:
        monkeypatch.delenv("OMP_WAIT_POLICY")
    seen: list[str | None] = []
    monkeypatch.setattr(
        "adapt.commands.grids.benchmark_command", lambda _: seen.append(os.environ.get("OMP_WAIT_POLICY")) or 0
    )
    path = tmp_path / "b.yaml"
    path.touch()
    assert main(["benchmark", "--config", str(path)]) == 0
    assert seen == [kept]


def test_a_warning_of_ours_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text(
        "seeds: [0]\nbase: {trainer: {max_steps: 2}}\ntasks: {moons: tasks/moons.yaml}\nmethods: {S: {model: [1]}}\n"
    )
    words = ["benchmark", "--config", "plan.yaml", "--wandb", "disabled"]
    done = subprocess.run([sys.executable, "-m", "adapt", *words], cwd=tmp_path, capture_output=True, text=True)
    first = next(line for line in done.stderr.splitlines() if "no effect" in line)
    assert first.startswith("adapt: warning: plan.yaml, base: trainer.max_steps 2 has no effect")
    assert "_warn_of_idle" not in done.stderr
