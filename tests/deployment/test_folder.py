"""The chosen folder stands alone: moved, without the grid, in torch alone."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import adapt
from adapt.commands.main import main
from adapt.data import Digits, ImageFolders, Moons
from tests.data.files import write_images

QUIET = {"max_steps": 20, "device": "cpu"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    for method in ("SourceOnly", "CORAL"):
        adapt.fit(method, Moons("moons", "moons_30"), run_dir=folder / method, **QUIET)
    return folder


def test_it_works_after_being_moved_and_in_torch_alone(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    monkeypatch.chdir(tmp_path)
    shutil.copytree(runs, tmp_path / "runs")
    assert main(["choose", "runs/SourceOnly", "runs/CORAL", "--out", "chosen", "--device", "cpu"]) == 0
    said = capsys.readouterr().out
    assert "Chosen for moons-moons_30, out of 2 runs" in said and "Estimated target accuracy" in said
    names = {path.name for path in (tmp_path / "chosen").iterdir()}
    assert names == {
        *("checkpoints", "config.yaml", "preprocessing.json", "class_names.json", "choice.json", "MODEL_CARD.md"),
        *("predictions.csv", "model.pt2"),
    }
    shutil.rmtree(tmp_path / "runs")
    (tmp_path / "chosen").rename(tmp_path / "elsewhere")
    rows = list(csv.DictReader((tmp_path / "elsewhere/predictions.csv").open()))
    assert len(rows) == 600 and {"sample", "prediction", "class", "p_upper"} <= set(rows[0])
    model = adapt.load("elsewhere", device="cpu")
    x = np.random.default_rng(0).normal(size=(7, 2)).astype("float32")
    expected = model.predict_proba(x)
    program = torch.export.load("elsewhere/model.pt2").module()
    np.testing.assert_allclose(program(torch.from_numpy(x)).detach().numpy(), expected, atol=1e-6)
    kept = torch.load("elsewhere/checkpoints/last.ckpt", weights_only=True)
    assert "optimizer_states" not in kept and "callbacks" not in kept
    said = json.loads((tmp_path / "elsewhere/choice.json").read_text())["target_labels"]
    assert said in ("source-only", "unsupervised")
    assert json.loads((tmp_path / "elsewhere/class_names.json").read_text()) == ["upper", "lower"]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["nowhere"], "found no such folder"),
        (["runs", "--rule", "accuracy"], "Expected --rule out of"),
        (["runs", "--task", "x"], "Expected --task out of moons-moons_30"),
        (["empty"], "no trained run in it"),
    ],
)
def test_wrong_input_gets_one_line_and_writes_nothing(
    args: list[str],
    words: str,
    runs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").symlink_to(runs)
    (tmp_path / "empty").mkdir()
    assert main(["choose", *args, "--out", "chosen"]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "chosen").exists()


def test_a_folder_that_holds_something_is_left_alone(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "choice.json").write_text("{}")
    assert main(["choose", str(runs), "--out", str(tmp_path)]) == 2
    assert "holds an earlier choice" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["choice.json"]


def test_where_classes_differ_the_silhouette_picks_checkpoint_and_method(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    data = Digits("optdigits", "optdigits_photo", target_classes=["0", "1", "2"], image_size=16)
    adapt.fit("SourceOnly", data, run_dir="run", **QUIET)
    assert main(["choose", "run", "--out", "chosen", "--device", "cpu"]) == 0
    assert "(checkpoint silhouette), by silhouette." in capsys.readouterr().out
    found = json.loads(Path("chosen/choice.json").read_text())
    assert (found["checkpoint"], found["rule"], found["estimated_accuracy"]) == ("silhouette", "silhouette", None)


def test_how_images_are_cut_stands_in_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for domain in ("a", "b"):
        write_images(tmp_path / domain, ["bike", "mug"], 8, "png")
    data = ImageFolders("a", "b", root=str(tmp_path), image_size=32, resize=None, batch_size=4)
    adapt.fit("SourceOnly", data, run_dir="run", max_steps=2, device="cpu")
    assert main(["choose", "run", "--out", "chosen", "--device", "cpu"]) == 0
    text = Path("chosen/preprocessing.json").read_text()
    assert '"resize": null' not in text
    found = json.loads(text)["arguments"]
    assert (found["image_size"], found["resize"], found["store_size"]) == (32, 37, 256)
    assert found["crop_scale"] == [0.7, 1.0]
