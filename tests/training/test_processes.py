"""Several processes from the command line: one run, one folder, each sample predicted once."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning.pytorch.utilities import rank_zero_only
from PIL import Image

from adapt.cli import main
from adapt.errors import AdaptError
from adapt.training.run_folder import announce, folder_of_process_zero

ROOT = Path(__file__).parents[2]
CPU = ["--trainer.accelerator", "cpu", "--trainer.enable_progress_bar", "false"]
FIT = ["fit", "--config", str(ROOT / "configs/tasks/moons.yaml"), *CPU, "--trainer.max_epochs", "-1"]
FIT += ["--trainer.val_check_interval", "10", "--trainer.check_val_every_n_epoch", "null"]
TWO = ["--trainer.devices", "2", "--trainer.strategy", "ddp"]


def adapt(folder: Path, *args: str) -> None:
    # Lightning starts the second process by the command line of the first, which a test has not.
    command = [sys.executable, "-m", "adapt", *args]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "WANDB_MODE": "disabled"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr


def test_other_processes_take_the_folder_of_process_zero_and_make_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADAPT_RUN_DIR", "")
    with pytest.raises(AdaptError, match="Give --run_dir"):
        folder_of_process_zero(None)
    assert folder_of_process_zero("given") == Path("given")
    assert announce(tmp_path / "runs" / "a-2") == folder_of_process_zero("other")
    # A second process of a training that something else has started: no word of the folder, and none is made.
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ADAPT_RUN_DIR", "")
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    assert main([*FIT, "--model", "DANN", "--trainer.max_steps", "1"]) == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("given", [True, False])
def test_two_processes_make_one_run_that_two_and_one_can_test_and_go_on_with(given: bool, tmp_path: Path) -> None:
    method = ["--config", str(ROOT / "configs/methods/wdgrl.yaml")]
    adapt(tmp_path, *FIT, *method, *TWO, "--trainer.max_steps", "20", *(["--run_dir", "x/y"] if given else []))
    (config,) = tmp_path.rglob("config.yaml")
    run = config.parent
    assert [p.name for p in tmp_path.iterdir()] == ["x" if given else "runs"]
    assert [p.name for p in run.parent.iterdir()] == [run.name]
    found, points = [], []
    for devices in ("1", "2"):
        adapt(tmp_path, "test", "--config", str(config), "--trainer.devices", devices)
        adapt(tmp_path, "predict", "--config", str(config), "--trainer.devices", devices)
        with (run / "predictions.csv").open() as file:
            rows = [row[:3] for row in csv.reader(file)]
        measured = json.loads((run / "test.json").read_text(), parse_float=lambda text: round(float(text), 6))
        found.append((rows, measured))
        with np.load(run / "embedding.npz") as file:
            points.append([file["y"], file["domain"], file["xy_2d"].round(3)])
    assert found[0] == found[1]
    assert all(np.array_equal(one, two) for one, two in zip(*points, strict=True))
    last = str(run / "checkpoints" / "last.ckpt")
    again = [*FIT, *method, "--trainer.max_steps", "40", "--run_dir", str(run), "--ckpt_path", last]
    adapt(tmp_path, *again)
    assert [p.name for p in run.parent.iterdir()] == [run.name]


@pytest.mark.slow
def test_two_processes_adapt_to_a_target_without_labels_and_average_the_weights(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for k in range(63):
        folders = {"studio": ("circle", "cross")[k % 2], "phone": ""}
        for domain, name in folders.items():
            path = tmp_path / "data" / domain / name / f"{k}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            image = generator.integers(0, 120, size=(24, 24, 3)) + 100 * (k % 2)
            Image.fromarray(image.astype("uint8")).save(path)
    data = "--data ImageFolders --data.root data --data.source studio --data.target phone --data.image_size 24"
    words = [*data.split(), "--data.batch_size", "8", "--model", "MMD", "--model.backbone", "SmallCNN", *CPU]
    words += ["--trainer.max_steps", "12", "--trainer.max_epochs", "-1"]
    average = ["--trainer.callbacks+=AveragedWeights", "--trainer.callbacks.decay", "0.9"]
    adapt(tmp_path, "fit", *words, *TWO, *average, "--run_dir", "run")
    run = tmp_path / "run"
    assert not list(run.rglob("*oracle*"))
    checkpoint = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    average_of, training = checkpoint["state_dict"], checkpoint["current_model_state"]
    assert average_of.keys() == training.keys()
    assert not torch.equal(average_of["classifier.weight"], training["classifier.weight"])
    tested = []
    for devices in ("1", "2"):
        adapt(tmp_path, "test", "--config", "run/config.yaml", "--trainer.devices", devices)
        adapt(tmp_path, "predict", "--config", "run/config.yaml", "--trainer.devices", devices)
        with (run / "predictions.csv").open() as file:
            rows = [row[:3] for row in csv.reader(file)]
        found = json.loads((run / "test.json").read_text())
        assert found["target_labelled"] == 0
        tested.append((rows, round(found["test/source_accuracy"], 6)))
    assert tested[0] == tested[1]
    assert len({row[0] for row in tested[0][0]}) == len(tested[0][0])


SCRIPT = """
import adapt
from adapt.data import Moons

data = Moons("moons", "moons_30", samples=40, batch_size=16)
how = {"devices": 2, "strategy": "ddp"}
model = adapt.fit("CORAL", data, max_steps=4, device="cpu", rule="information_maximisation", trainer=how)
print("predicted", model.predict_proba([[0.0, 1.0]]).tolist(), flush=True)
"""


@pytest.mark.slow
def test_a_fit_in_python_that_keeps_nothing_gives_each_process_the_model(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(SCRIPT)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "train.py"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200)
    said = [line for line in done.stdout.splitlines() if line.startswith("predicted")]
    assert done.returncode == 0 and len(said) == 2 and len(set(said)) == 1, done.stdout + done.stderr
    assert "Error" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["train.py"]
