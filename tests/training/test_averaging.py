"""The averaged weights are what is validated, kept and tested; the training is the one without them."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

import adapt
from adapt.benchmark.plan.plan import Cell
from adapt.benchmark.run.folders import prepare
from adapt.benchmark.run.train_and_test import run_cell
from adapt.cli import main
from adapt.errors import AdaptError
from adapt.training.averaging import AveragedWeights
from tests.training.test_commands import TOY

AVERAGED = ["--trainer.callbacks+=adapt.training.averaging.AveragedWeights", "--trainer.callbacks.decay", "0.9"]


class Watch(Callback):
    """Writes the weights after each step, and those of each validation."""

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(exist_ok=True)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        torch.save(state(pl_module), self.folder / f"step-{trainer.global_step}.pt")

    def on_validation_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        if not trainer.sanity_checking:
            torch.save(state(pl_module), self.folder / f"validated-{trainer.global_step}.pt")


def state(module: LightningModule) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def fit(folder: Path, name: str, *more: str) -> Path:
    task = folder / "toy.yaml"
    bottleneck = {"bottleneck": 8}  # has a batch norm
    model = {"init_args": TOY["model"]["init_args"] | bottleneck}
    task.write_text(yaml.safe_dump(TOY | {"model": model}))
    # Source-only knows no end of the training, so that a longer one begins like a shorter one.
    words = ["fit", "--config", str(task), "--model", "SourceOnly", "--run_dir", str(folder / name), *more]
    assert main(words) == 0
    return folder / name


def read(run: Path, rule: str = "last") -> dict[str, Any]:
    loaded: dict[str, Any] = torch.load(run / "checkpoints" / f"{rule}.ckpt", weights_only=True)
    return loaded


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_checkpoints_and_validations_hold_the_average_and_the_training_goes_on(tmp_path: Path) -> None:
    watch = ["--trainer.callbacks+=tests.training.test_averaging.Watch", "--trainer.callbacks.folder"]
    plain = fit(tmp_path, "plain")
    run = fit(tmp_path, "averaged", *AVERAGED, *watch, str(tmp_path / "watched"))
    steps = [torch.load(tmp_path / "watched" / f"step-{n}.pt", weights_only=True) for n in range(1, 13)]
    # The same steps as without the average.
    assert same(steps[-1], read(plain)["state_dict"])
    assert same(steps[-1], read(run)["current_model_state"])
    average = {name: value.double() for name, value in steps[0].items()}
    kept = {1: dict(average)}
    for n, now in enumerate(steps[1:], 1):
        decay = min(0.9, (1 + n) / (10 + n))
        for name, value in now.items():
            average[name] = decay * average[name] + (1 - decay) * value.double()
            if not value.is_floating_point():
                average[name] = value.double()
        kept[n + 1] = dict(average)
    for found, step in [(read(run)["state_dict"], 12), (watched(tmp_path, 5), 5), (watched(tmp_path, 10), 10)]:
        assert found.keys() == average.keys()
        for name, value in found.items():
            torch.testing.assert_close(value.double(), kept[step][name], rtol=1e-5, atol=1e-6)
    assert not same(read(run)["state_dict"], steps[-1])
    weights = adapt.load(run).method.state_dict()
    assert all(torch.equal(weights[name].cpu(), value) for name, value in read(run)["state_dict"].items())


def watched(folder: Path, step: int) -> dict[str, Tensor]:
    loaded: dict[str, Tensor] = torch.load(folder / "watched" / f"validated-{step}.pt", weights_only=True)
    return loaded


@pytest.mark.slow
def test_a_grids_cell_and_adapt_test_measure_the_average(tmp_path: Path) -> None:
    callback = {"class_path": "adapt.training.averaging.AveragedWeights", "init_args": {"decay": 0.9}}
    trainer = TOY["trainer"] | {"callbacks": [callback]}
    model = {"class_path": "DANN", "init_args": TOY["model"]["init_args"]}
    config = TOY | {"trainer": trainer, "model": model, "seed_everything": 0}
    cell = Cell("toy", "DANN", 0, config, tmp_path / "out" / "toy" / "DANN" / "0", "test", wandb_mode="disabled")
    prepare(cell)
    (row,) = (row for row in run_cell(cell).rows if row["rule"] == "last")
    assert main(["test", "--config", str(cell.directory / "config.yaml")]) == 0
    found = json.loads((cell.directory / "test.json").read_text())
    assert found["test/target_accuracy"] == row["target_accuracy"]
    # The same checkpoint with the training's weights in place of the average.
    raw = read(cell.directory)
    raw["state_dict"] = raw["current_model_state"]
    torch.save(raw, cell.directory / "checkpoints" / "raw.ckpt")
    words = ["test", "--config", str(cell.directory / "config.yaml"), "--ckpt_path"]
    assert main([*words, str(cell.directory / "checkpoints" / "raw.ckpt")]) == 0
    other = json.loads((cell.directory / "test.json").read_text())
    assert other["test/target_accuracy"] != row["target_accuracy"]


@pytest.mark.slow
def test_a_continued_run_has_the_average_of_an_uninterrupted_one(tmp_path: Path) -> None:
    whole = fit(tmp_path, "whole", *AVERAGED, "--trainer.max_steps", "24")
    run = fit(tmp_path, "parts", *AVERAGED)
    last = str(run / "checkpoints" / "last.ckpt")
    fit(tmp_path, "parts", *AVERAGED, "--trainer.max_steps", "24", "--ckpt_path", last)
    for part in ("state_dict", "current_model_state", "averaging_state"):
        assert same(read(run)[part], read(whole)[part]), part


def test_a_decay_out_of_range_is_refused() -> None:
    with pytest.raises(AdaptError, match=r"Expected decay in \[0, 1\), found 1"):
        AveragedWeights(1)
