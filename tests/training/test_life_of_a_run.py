"""A run is stopped, moved, continued with other settings, and predicts: never a silent wrong number."""

import csv
import json
import multiprocessing
import os
import shlex
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from jsonargparse import Namespace
from lightning.pytorch import Callback, LightningModule, Trainer
from PIL import Image

import adapt
from adapt.cli import main
from adapt.data import Arrays, Moons
from adapt.errors import AdaptError
from adapt.training.continuing import check_data
from adapt.training.run_folder import free_folder, held
from adapt.training.saved_config import read_where_it_lies
from tests.training.test_commands import fit, task  # noqa: F401  # a fixture


class Signal(Callback):
    """Sends this process a signal at a step."""

    def __init__(self, number: int, step: int = 7) -> None:
        self.number, self.step = number, step

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        if trainer.global_step == self.step:
            signal.raise_signal(self.number)


def checkpoint(run: Path, name: str = "last") -> dict[str, Any]:
    found: dict[str, Any] = torch.load(run / "checkpoints" / f"{name}.ckpt", weights_only=True)
    return found


def same_weights(one: Path, other: Path) -> bool:
    a, b = checkpoint(one)["state_dict"], checkpoint(other)["state_dict"]
    return all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture(autouse=True)
def unclaimed_signals() -> None:
    """Handlers as a new process has them: an earlier test of this process may have left its own."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def test_a_cell_is_repeated_from_any_folder_with_its_own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there, here = tmp_path / "there", tmp_path / "here"
    start = "out/t/Source/0/checkpoints/last.ckpt"
    for place in (there, here):  # of which the second is of somebody else
        (place / start).parent.mkdir(parents=True)
        (place / start).touch()
        (place / "data").mkdir()
    folder = there / "out/t/SHOT/0"
    folder.mkdir(parents=True)
    said = {"model": {"init_args": {"init_from": start}}, "data": {"init_args": {"root": "data"}}}
    ran = {
        "model": {"init_args": {"init_from": str(there / start)}},
        "data": {"init_args": {"root": str(there / "data")}},
    }
    (folder / "cell.yaml").write_text(yaml.safe_dump(said))
    (folder / "config.yaml").write_text(yaml.safe_dump(ran | {"saved_in": str(folder)}))
    monkeypatch.chdir(here)

    def read(cell: Path, *args: str) -> tuple[str, str]:
        options = {name: Namespace(init_args=Namespace(**said[name]["init_args"])) for name in said}
        config = Namespace(config=[str(cell)], saved_in=None, run_dir=None, ckpt_path=None, **options)
        read_where_it_lies(config, "fit", ["fit", "--config", str(cell), *args])
        return config.model.init_args.init_from, config.data.init_args.root

    assert read(folder / "cell.yaml", "--data.batch_size", "8") == (str(there / start), str(there / "data"))
    assert read(folder / "cell.yaml", "--data.root=data") == (str(there / start), "data")
    there.rename(tmp_path / "moved")
    moved = tmp_path / "moved"
    assert read(moved / "out/t/SHOT/0/cell.yaml") == (str(moved / start), str(moved / "data"))


@pytest.mark.parametrize(("number", "name"), [(signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "SIGTERM")])
def test_a_stopped_fit_is_saved_and_its_own_words_continue_it(
    number: int,
    name: str,
    task: str,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = tmp_path / "a run's folder"
    stop = [
        "--trainer.callbacks+=tests.training.test_life_of_a_run.Signal",
        f"--trainer.callbacks.number={int(number)}",
    ]
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    assert fit(task, run, "--model", "DANN", *stop) == 128 + number
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    assert checkpoint(run)["global_step"] == 7
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert f"stopped by {name} at step 7. To continue: adapt fit" in said
    again = shlex.split(said.partition("To continue: ")[2])
    assert main([*again[1:], "--trainer.callbacks", "[]"]) == 0
    assert fit(task, tmp_path / "whole", "--model", "DANN") == 0
    assert same_weights(run, tmp_path / "whole")


def test_a_folder_without_a_checkpoint_is_entered_again(task: str, tmp_path: Path) -> None:  # noqa: F811
    run = tmp_path / "run"
    assert fit(task, run, "--model", "DANN", "--model.weight", "1e39") == 3
    assert (run / "config.yaml").exists()
    assert fit(task, run, "--model", "SourceOnly") == 0
    assert fit(task, run, "--model", "SourceOnly") == 2


def test_a_moved_run_is_its_own_from_any_folder(
    task: str,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    home, away = tmp_path / "home", tmp_path / "away"
    home.mkdir()
    away.mkdir()
    monkeypatch.chdir(home)
    assert fit(task, Path("runs"), "--model", "SourceOnly") == 0
    assert main(["test", "--config", "runs/config.yaml"]) == 0
    own = json.loads(Path("runs/test.json").read_text())
    Path("runs").rename("old")
    Path("old/test.json").unlink()
    assert fit(task, Path("runs"), "--model", "SourceOnly", "--trainer.max_steps", "1") == 0
    monkeypatch.chdir(away)
    for command in ("test", "validate", "predict"):
        assert main([command, "--config", str(home / "old" / "config.yaml")]) == 0
    assert json.loads((home / "old" / "test.json").read_text()) == own
    assert (home / "old" / "predictions.csv").is_file()
    assert {path.name for path in (home / "runs").iterdir()} & {"test.json", "predictions.csv"} == set()
    assert list(away.iterdir()) == []
    # Without a checkpoint the file repeats the run elsewhere; with the run's own one it goes on where it lies.
    assert main(["fit", "--config", str(home / "old" / "config.yaml")]) == 0
    assert same_weights(home / "old", away / "runs" / "source-target" / "SourceOnly" / "0")
    picked = checkpoint(home / "old", "oracle")["global_step"]
    more = ["--ckpt_path", str(home / "old/checkpoints/last.ckpt"), "--trainer.max_steps", "13"]
    assert main(["fit", "--config", str(home / "old" / "config.yaml"), *more]) == 0
    assert checkpoint(home / "old")["global_step"] == 13
    assert checkpoint(home / "old", "oracle")["global_step"] in (picked, 13)


def test_what_moves_together_is_found_together(task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.chdir(tmp_path)
    Path("grid/weights").mkdir(parents=True)
    assert fit(task, Path("grid/source/0"), "--model", "SourceOnly") == 0
    start = [
        "--model",
        "SHOT",
        "--model.init_from",
        "grid/source/0/checkpoints/last.ckpt",
        "--data.root",
        "grid/weights",
    ]
    assert fit(task, Path("grid/shot/0"), *start) == 0
    saved = yaml.safe_load(Path("grid/shot/0/config.yaml").read_text())
    assert saved["data"]["init_args"]["root"] == str(tmp_path / "grid" / "weights")
    Path("grid").rename("moved")
    assert fit(task, Path("grid/source/0"), "--model", "SourceOnly", "--seed_everything", "9") == 0
    assert main(["fit", "--config", "moved/shot/0/config.yaml", "--run_dir", "again"]) == 0
    assert same_weights(Path("again"), Path("moved/shot/0"))
    saved = yaml.safe_load(Path("again/config.yaml").read_text())
    assert saved["data"]["init_args"]["root"] == str(tmp_path / "moved" / "weights")
    Path("moved/source").rename("gone")
    assert main(["test", "--config", "moved/shot/0/config.yaml"]) == 0  # its checkpoint has all that it needs


@pytest.fixture
def trained(task: str, tmp_path: Path) -> list[str]:  # noqa: F811
    """The words that continue a short run."""
    words = ["--model", "DANN", "--model.optimizer", "SGD", "--model.optimizer.lr", "0.01"]
    assert fit(task, tmp_path / "run", *words, "--model.lr_scheduler", "InverseDecay") == 0
    run = tmp_path / "run"
    return ["--config", str(run / "config.yaml"), "--ckpt_path", str(run / "checkpoints" / "last.ckpt")]


def test_a_run_that_is_at_its_end_says_that_nothing_was_trained(
    trained: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["fit", *trained, "--trainer.max_steps", "2"]) == 0
    assert "nothing was left to train: the checkpoint is at step" in capsys.readouterr().out


def test_settings_that_are_asked_for_are_taken_and_said(
    trained: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = checkpoint(tmp_path / "run")["optimizer_states"][0]["param_groups"]
    capsys.readouterr()
    more = ["--model.optimizer.lr", "0.5", "--model.optimizer.weight_decay", "0.1", "--model.weight", "0.25"]
    assert main(["fit", *trained, *more, "--trainer.max_steps", "13"]) == 0
    said = capsys.readouterr().err
    assert "model.optimizer.lr 0.5 (the checkpoint: 0.01)" in said
    assert "model.weight 0.25 (the checkpoint: 1.0)" in said
    after = checkpoint(tmp_path / "run")
    for old, new in zip(before, after["optimizer_states"][0]["param_groups"], strict=True):
        assert new["initial_lr"] == pytest.approx(50 * old["initial_lr"])
        assert new["lr"] == pytest.approx(50 * old["lr"], rel=0.1)  # one step further down its schedule
        assert new["weight_decay"] == 0.1
    assert after["hyper_parameters"]["weight"] == 0.25
    assert main(["fit", *trained, "--trainer.max_steps", "14"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--model.backbone.hidden", "[7]"], "size mismatch"),
        (["--model.backbone", "Identity"], "--model.backbone as in the checkpoint, MLP, found Identity"),
        (["--model.optimizer", "Adam"], "--model.optimizer as in the checkpoint, SGD, found Adam"),
        (["--model", "MMD"], "checkpoint of MMD, found one of DANN"),
        (["--data.source", "other"], "source"),
        (["--data.split_seed", "3"], "split_seed 0, found 3"),
    ],
)
def test_what_a_checkpoint_cannot_take_is_refused_before_the_run_is_touched(
    more: list[str], words: str, trained: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    assert main(["fit", *trained, *more, "--trainer.max_steps", "20"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert words in line
    assert before == {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}


def test_evaluation_says_what_the_checkpoint_overrules(trained: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    for command in ("test", "validate", "predict"):
        assert main([command, *trained, "--model.discriminator_hidden", "99"]) == 0
        assert "model.discriminator_hidden 1024 (asked for: 99): the checkpoint's stays" in capsys.readouterr().err


def test_predictions_name_their_files_and_keep_the_ones_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for domain in "ab":
        for k, name in enumerate(("cat", "dog")):
            Path(domain, name).mkdir(parents=True)
            for i in range(10):
                Image.fromarray(np.full((9, 9, 3), 200 * k + i, dtype=np.uint8)).save(f"{domain}/{name}/{i}.png")
    words = "--data ImageFolders --data.root . --data.source a --data.target b --data.image_size 8 --data.batch_size 4"
    words += " --model SourceOnly --model.backbone MLP --trainer.max_epochs 1 --trainer.enable_progress_bar false"
    assert main(["fit", *words.split(), "--trainer.enable_model_summary", "false", "--run_dir", "run"]) == 0
    assert main(["predict", "--config", "run/config.yaml"]) == 0
    first = Path("run/predictions.csv").read_bytes()
    assert "4 of the 20 target samples (its test set; for all: --data.predict_split all)" in capsys.readouterr().out
    assert main(["predict", "--config", "run/config.yaml", "--data.predict_split", "all"]) == 0
    assert Path("run/predictions-2.csv").read_bytes() == first
    with Path("run/predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["sample", "index", "prediction", "class", "probability", "p_cat", "p_dog"]
    assert sorted(row["sample"] for row in rows) == sorted(path.as_posix() for path in Path("b").rglob("*.png"))
    for row in rows:
        assert float(row["p_cat"]) + float(row["p_dog"]) == pytest.approx(1, abs=1e-5)
        assert float(row["probability"]) == max(float(row["p_cat"]), float(row["p_dog"]))


def test_numpys_numbers_continue_too() -> None:
    from adapt.methods.randomness import random_state, set_random_state

    np.random.seed(3)  # noqa: NPY002
    np.random.standard_normal(3)  # noqa: NPY002
    state = random_state()
    expected = np.random.standard_normal(5)  # noqa: NPY002
    set_random_state(state)
    assert (np.random.standard_normal(5) == expected).all()  # noqa: NPY002
    assert all(isinstance(value, list | torch.Tensor) for value in state.values())


def test_other_splits_than_the_checkpoints_are_refused_in_training_and_said_in_evaluation(tmp_path: Path) -> None:
    for name, size in (("a", 60), ("b", 60), ("longer", 90)):
        np.savez(
            tmp_path / f"{name}.npz",
            x=np.zeros((size, 4)) + np.arange(4),
            y=np.arange(size) % 3,
            ward2=np.arange(size) // 6,
        )

    def arrays(**options: Any) -> Arrays:
        return Arrays("a", "b", **{"root": str(tmp_path), "batch_size": 8} | options)

    first = arrays()
    first.setup("fit")
    kept = {"Arrays": first.state_dict()}
    assert check_data(arrays(num_workers=1), kept, True) == ""
    for options in ({"test_fraction": 0.5}, {"transductive": True}, {"groups": "ward2"}):
        with pytest.raises(AdaptError, match=next(iter(options))):
            check_data(arrays(**options), kept, True)
        assert "trained on may be among the tested ones" in check_data(arrays(**options), kept, False)
    assert "data.standardise 'source' (the checkpoint: 'none'): taken as asked" in check_data(
        arrays(standardise="source"), kept, True
    )
    # Other files by the same name.
    (tmp_path / "longer.npz").replace(tmp_path / "b.npz")
    second = arrays()
    second.setup("fit")
    with pytest.warns(UserWarning, match="The target has 65 training samples, and had 43"):
        second.load_state_dict(kept["Arrays"])


def test_two_trainings_do_not_share_a_folder(
    task: str,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    with held(run):
        assert fit(task, run, "--model", "SourceOnly") == 2
        assert "Another training runs in" in capsys.readouterr().err
        with pytest.raises(AdaptError, match="Another training runs in"):
            adapt.fit("SourceOnly", Moons("moons", "moons_30"), max_steps=2, run_dir=run)
        assert not list(run.iterdir())
    assert fit(task, run, "--model", "SourceOnly") == 0
    with held(run):  # let go once it has ended
        pass


def _train_and_be_killed(folder: Path, started: Any, over: Any) -> None:
    with held(folder):
        multiprocessing.get_context("fork").Process(target=over.wait).start()
        started.set()
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.skipif(sys.platform != "linux", reason="processes are no copies elsewhere")
def test_a_killed_training_holds_its_folder_no_longer_though_its_loaders_live(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    started, over = context.Event(), context.Event()
    training = context.Process(target=_train_and_be_killed, args=(tmp_path, started, over))
    training.start()
    training.join()
    assert started.is_set()
    try:
        with held(tmp_path):
            pass
    finally:
        over.set()


def test_of_two_trainings_in_one_instant_each_has_its_own_folder(
    task: str,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: free_folder(tmp_path / "runs" / "0"), range(8)))
    assert len(set(found)) == 8 and all(path.is_dir() for path in found)
    monkeypatch.chdir(tmp_path)
    words = ["fit", "--config", task, "--model", "SourceOnly", "--trainer.max_steps", "2"]
    before = set(Path("runs").rglob("0*"))
    assert main([*words, "--trainer.accelerator", "none"]) == 2
    assert set(Path("runs").rglob("0*")) == before  # a run that does not begin leaves no folder
