"""Wrong input ends in one or two lines that say how to mend it, and an exit code that is not 0."""

from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image

from adapt.cli import main
from tests.cli.test_commands import TOY, fit, task  # noqa: F401  # a fixture

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
    import re

    assert re.search(words, error[0]), error[0]


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
