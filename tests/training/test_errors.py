"""Wrong input ends in one or two lines that say how to mend it, and an exit code that is not 0."""

import re
import sys
from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image

from adapt.cli import main
from tests.training.test_commands import TOY, fit, task  # noqa: F401  # a fixture

MISTAKES = {
    "command": (["train"], "Unknown command 'train'"),
    "method": (["fit", "--model", "DANM"], "Unknown class 'DANM' for --model.*Did you mean .*DANN"),
    "argument": (["fit", "--model", "DANN", "--model.wieght", "2"], "no argument 'wieght'.*Did you mean 'weight'"),
    "value": (["fit", "--model", "DANN", "--model.weight", "three"], "--model.weight expects float, found 'three'"),
    "choice": (
        ["fit", "--model", "DANN", "--model.schedule", "x"],
        r"one of \['ganin', 'tllib', 'constant'\], found 'x'",
    ),
    "backbone": (["fit", "--model", "DANN", "--model.backbone", "LaNet"], "Unknown class 'LaNet'.*Did you mean LeNet"),
    "data": (["fit", "--model", "DANN", "--data", "Digitz"], "Unknown class 'Digitz' for --data.*Did you mean Digits"),
    "domain": (["fit", "--model", "DANN", "--data.source", "sorce"], "Unknown domain 'sorce'.*Did you mean 'source'"),
    "same domain": (["fit", "--model", "DANN", "--data.source", "target"], "two different domains"),
    "option": (["fit", "--model", "DANN", "--trainer.mx_stps", "3"], "Unknown option --trainer.mx_stps"),
    "file": (["fit", "--model", "DANN", "--config", "nope.yaml"], "nope.yaml"),
    "no method": (["fit"], "Nothing chosen for --model"),
    "list": (["fit", "--model", "DANN", "--model.backbone.hidden", "3"], "--model.backbone.hidden expects list"),
    "rate": (["fit", "--model", "DANN", "--model.optimizer.lr", "x"], "--model.optimizer.lr expects float.*found 'x'"),
    "optimizer": (["fit", "--model", "DANN", "--model.optimizer", "Adamm"], "'Adamm' for --model.optimizer.*Adam"),
    "optimizer's argument": (
        ["fit", "--model", "DANN", "--model.optimizer", "SGD", "--model.optimizer.lrr", "1"],
        "SGD has no argument 'lrr'.*Did you mean 'lr'",
    ),
    "schedule": (
        ["fit", "--model", "DANN", "--model.lr_scheduler", "StepLR"],
        "StepLR needs step_size: give --model.lr_scheduler.step_size",
    ),
    "callback": (
        ["fit", "--model", "DANN", "--trainer.callbacks+=EarlyStoping"],
        "Unknown class 'EarlyStoping' for --trainer.callbacks.*EarlyStopping",
    ),
    "callback's argument": (
        ["fit", "--model", "DANN", "--trainer.callbacks+=Scores", "--trainer.callbacks.nams", "[a]"],
        "Scores has no argument 'nams'.*'names'",
    ),
    "penalty": (["fit", "--model", "DANN", "--model.penalties+=MCCC"], "'MCCC' for --model.penalties.*MCC"),
    "no value": (["fit", "--model", "DANN", "--model.weight"], "--model.weight needs a value"),
    "null": (["fit", "--model", "DANN", "--data.batch_size", "null"], "--data.batch_size expects int, found null"),
    "word": (["fit", "--model", "DANN", "stray"], "Unexpected word 'stray'"),
    "abbreviation": (["fit", "--model", "DANN", "--seed", "1"], "Unknown option --seed"),
    "seed": (["fit", "--model", "DANN", "--seed_everything", "x"], "--seed_everything expects bool or int, found 'x'"),
    "seed below 0": (["fit", "--model", "DANN", "--seed_everything", "-1"], "--seed_everything as .* found -1"),
    "two values": (
        ["fit", "--model", "DANN", "--data.batch_size", "8", "--data.batch_size", "1e2"],
        "--data.batch_size expects int, found '1e2'. Write 100.",
    ),
    "class in a module": (
        ["fit", "--model", "adapt.methods.DANNN"],
        "adapt.methods has no class 'DANNN'.*Did you mean 'DANN'",
    ),
    "class of another kind": (["fit", "--model", "adapt.data.Moons"], "expects a subclass of Method, found adapt.data"),
    "module": (["fit", "--model", "nowhere.Mine"], "no module 'nowhere' was found in this folder"),
    "unclosed": (["fit", "--model", "{class_path: DANN"], "expects the name of a Method class"),
    "batch": (["fit", "--model", "DANN", "--data.batch_size", "5000"], "fewer than one batch of 5000"),
    "shots": (["fit", "--model", "FineTuning"], "--data.shots 5"),
    "no weights": (["test", "--model", "DANN"], "needs trained weights"),
    "checkpoint": (["test", "--model", "DANN", "--ckpt_path", "nope.ckpt"], "nope.ckpt, found no file"),
    "init_from": (["fit", "--model", "DANN", "--model.init_from", "nope.ckpt"], "nope.ckpt, found no file"),
    "blocks": (
        ["fit", "--model", "FineTuning", "--model.tune", "9", "--data.shots", "2"],
        "between 1 and the backbone's",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_ends_in_a_short_error(
    mistake: str,
    task: str,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    args, words = MISTAKES[mistake]
    monkeypatch.chdir(tmp_path)
    more = ["--config", task] if args[0] != "train" else []
    assert main([args[0], *more, *args[1:]]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1 if mistake != "command" else 0 :]
    assert error[0].startswith("adapt: ")
    assert len(error[0]) < 450
    assert re.search(words, error[0]), error[0]


FILES = {
    "unknown key": ("modell: DANN\nmodel: SourceOnly\n", "Unknown option --modell.*'--model'"),
    "unknown trainer key": ("trainer: {max_stepz: 3}\n", "Unknown option --trainer.max_stepz.*'--trainer.max_steps'"),
    "nested value": (
        "model: {init_args: {optimizer: {class_path: Adam, init_args: {lr: fast}}}}\n",
        "optimizer.lr expects",
    ),
    "nested list": (
        "model: {init_args: {penalties: [{class_path: BSP, init_args: {weight: x}}]}}\n",
        "penalties.weight",
    ),
    "number as text": ("data: {init_args: {source: 1}}\n", "--data.source expects str.*in quotes: '1'"),
    "truth value as text": ("data: {init_args: {source: no}}\n", "--data.source expects str.*found 'False'"),
    "no class": ("model: {class_path: }\n", "--model expects class_path"),
    "number as class": ("model: 3\n", "--model expects the name of a Method class"),
    "open bracket": ("model: DANN\ndata: [1\n", "c.yaml, line 3: not valid YAML"),
    "tab": ("data:\n\tx: 1\n", "c.yaml, line 2: not valid YAML"),
    "twice": ("model: DANN\nmodel: MMD\n", "c.yaml, line 2: not valid YAML: 'model' is given twice"),
    "empty": ("", "c.yaml: expected a mapping of keys to values, found nothing"),
    "items": ("- a\n- b\n", "c.yaml: expected a mapping of keys to values, found list"),
    "words": ("just words\n", "c.yaml: expected a mapping of keys to values, found str 'just words'"),
    "numbers as keys": ("1: 2\n", "c.yaml: expected keys that are words, found 1"),
    "plan": ("seeds: [0]\ntasks: {}\nmethods: {}\n", "describes a grid: run it with `adapt benchmark --config c.yaml`"),
    "own module": (
        "model: own.broken.Mine\n",
        r"cannot be imported: \S*broken.py, line 2: ZeroDivisionError: division",
    ),
    "own syntax": ("model: own.syntax.Mine\n", r"cannot be imported: \S*syntax.py, line 1: invalid syntax"),
    "own import": (
        "model: own.imports.Mine\n",
        r"\S*imports.py, line 1: ModuleNotFoundError: No module named 'absent_'",
    ),
    "own class": ("model: own.plain.Mien\n", "own.plain has no class 'Mien'.*'Mine'"),
    "own base": ("model: own.plain.Mine\n", "--model expects a subclass of Method, found own.plain.Mine"),
}


@pytest.mark.parametrize("kind", FILES)
def test_a_mistake_in_a_file_ends_in_a_short_error(
    kind: str,
    task: str,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text, words = FILES[kind]
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    own = {
        "broken": "x = 1\n1 / 0\n",
        "syntax": "def f(:\n",
        "imports": "import absent_\n",
        "plain": "class Mine: ...\n",
    }
    Path("own").mkdir()
    for name, code in own.items():
        Path("own", f"{name}.py").write_text(code)
    Path("c.yaml").write_text(text)
    code = main(["fit", "--config", task, "--model", "SourceOnly", "--config", "c.yaml"])
    for name in [name for name in sys.modules if name.partition(".")[0] == "own"]:
        del sys.modules[name]
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert code == 2, error
    assert error.startswith("adapt: ")
    assert len(error) < 450
    assert re.search(words, error), error


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", "usage: adapt COMMAND"),
        ("fit", "Nothing chosen for --model and --data: give for example --model DANN --data Digits"),
        ("fit --data Moons", "Nothing chosen for --model"),
        ("fit --model.weight 2 --data Moons", "Nothing chosen for --model"),
        ("test", "Nothing chosen"),
        ("tset", "Unknown command 'tset'. Did you mean 'test'"),
        ("--config c.yaml fit", "Expected a command first, found --config"),
        ("fit --config", "--config needs a value"),
        ("fit --config .", "found a folder"),
        ("fit --config nothing.yaml", "Expected a YAML file at nothing.yaml, found none"),
        ("fit --config run.ckpt", "run.ckpt is a checkpoint, not a configuration: give it as --ckpt_path"),
        ("fit --config latin.yaml", "latin.yaml is not a text file in UTF-8"),
        ("predict --ckpt_path run.ckpt", "give the run's --config <run>/config.yaml"),
        ("benchmark", "The following arguments are required: --config"),
        ("benchmark --jobs two --config x", "Argument --jobs: expected a number of cells or auto, found 'two'"),
        ("report", "The following arguments are required: RUNS"),
        ("compare a", "The following arguments are required: RUNS_B"),
        ("style --content a.jpg", "The following arguments are required: --style, --out"),
        ("features --backbone LaNet --out x", "Unknown class 'LaNet' for --backbone.*LeNet"),
        ("features --outt x", "Unknown option --outt. Did you mean '--out'"),
    ],
)
def test_a_command_alone_ends_in_a_short_error(
    words: str, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("run.ckpt").write_bytes(b"PK\x03\x04")
    Path("latin.yaml").write_bytes("model: DÄNN".encode("latin-1"))
    assert main(words.split()) == (2 if words else 0)
    said = capsys.readouterr()
    assert re.search(expected, said.err or said.out), said.err
    assert len(said.err.strip().splitlines()) <= 2


def test_divergence_names_term_and_step(task: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    assert fit(task, tmp_path / "run", "--model", "DANN", "--model.weight", "1e39") == 3
    assert "The loss term 'domain' of DANN is not finite at step 0" in capsys.readouterr().err


def test_a_missing_data_root_says_what_to_download(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "fit",
        "--model",
        "DANN",
        "--model.backbone",
        "LeNet",
        "--data",
        "Digits",
        "--data.source",
        "mnist",
        "--data.target",
        "usps",
    ]
    assert main([*words, "--data.root", str(tmp_path), "--run_dir", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert "MNIST" in error
    assert "--data.download true" in error


def test_a_corrupt_image_is_named_by_its_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for domain in ("a", "b"):
        for label in ("cat", "dog"):
            folder = tmp_path / domain / label
            folder.mkdir(parents=True)
            for k in range(8):
                Image.new("RGB", (40, 40), (10 * k, 99, 5 * k)).save(folder / f"{k}.png")
    bad = tmp_path / "b" / "dog" / "3.png"
    bad.write_bytes(bad.read_bytes()[:30])
    words = [
        "fit",
        "--model",
        "DANN",
        "--model.backbone",
        "SmallCNN",
        "--data",
        "ImageFolders",
        "--data.source",
        "a",
        "--data.target",
        "b",
    ]
    options = f"--data.root {tmp_path} --data.image_size 32 --data.batch_size 4 --run_dir {tmp_path / 'run'}".split()
    assert main([*words, *options, "--trainer.max_epochs", "2"]) == 2
    assert str(bad) in capsys.readouterr().err


def test_a_checkpoint_of_another_method_or_class_count(
    task: str,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert fit(task, tmp_path / "run", "--model", "SourceOnly") == 0
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    assert main(["test", "--config", task, "--model", "MMD", "--ckpt_path", str(last)]) == 2
    assert "Expected a checkpoint of MMD, found one of SourceOnly" in capsys.readouterr().err
    moons = {"class_path": "Moons", "init_args": {}}
    (tmp_path / "moons.yaml").write_text(yaml.safe_dump(TOY | {"data": moons}))
    words = ["--config", str(tmp_path / "moons.yaml"), "--model", "SourceOnly", "--model.init_from", str(last)]
    assert main(["fit", *words, "--run_dir", str(tmp_path / "other")]) == 2
    assert "Expected init_from with 2 classes, found 4" in capsys.readouterr().err
    torch.save({"state_dict": {}}, tmp_path / "foreign.ckpt")
    assert main(["test", "--config", task, "--model", "MMD", "--ckpt_path", str(tmp_path / "foreign.ckpt")]) == 2
    assert "was not written by adapt" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_and_one_that_holds_a_run(
    task: str,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").touch()
    assert fit(task, tmp_path / "file" / "run", "--model", "SourceOnly") == 2
    assert "can be written to" in capsys.readouterr().err
    assert fit(task, tmp_path / "run", "--model", "SourceOnly") == 0
    assert fit(task, tmp_path / "run", "--model", "SourceOnly") == 2
    assert "already holds a run" in capsys.readouterr().err
