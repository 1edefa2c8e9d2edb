"""`last.ckpt` is the end of training whatever ends it, and a run continued from it equals an uninterrupted one."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import EMAWeightAveraging, StochasticWeightAveraging, Timer
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torch import Tensor

from adapt.methods import SourceOnly
from tests.toy import train

# 810 training samples make epochs of 12 batches.
RARE = {"val_check_interval": 100, "check_val_every_n_epoch": None}


class Stop(Callback):
    """Ends a run in one of the ways that are not a budget."""

    def __init__(self, step: int, how: str) -> None:
        self.step, self.how = step, how

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        if trainer.global_step == self.step and self.how == "batch":
            trainer.should_stop = True
        if trainer.global_step == self.step and self.how == "signal":
            signal.raise_signal(signal.SIGTERM)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.global_step == self.step and self.how == "epoch":
            trainer.should_stop = True

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.global_step == self.step and self.how == "validation":
            trainer.should_stop = True


def run(path: Path, callbacks: list[Callback] | None = None, seed: int = 0, **options: Any) -> dict[str, Tensor]:
    options = {"max_steps": -1, "max_epochs": -1} | RARE | options
    start = options.pop("ckpt_path", None)
    try:
        module, _, _ = train(
            SourceOnly, path, seed, dropout=0.3, trainer=options, callbacks=callbacks or (), ckpt_path=start
        )
    except SIGTERMException:
        return {}
    return module.state_dict()


def last(path: Path, name: str = "last") -> dict[str, Any]:
    found: dict[str, Any] = torch.load(path / "checkpoints" / f"{name}.ckpt", weights_only=True)
    return found


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tensor]:
    """48 steps, which are 4 epochs."""
    return run(tmp_path_factory.mktemp("whole"), max_steps=48)


@pytest.mark.parametrize(
    ("options", "stop", "step"),
    [
        pytest.param({"max_steps": 30}, None, 30, id="max_steps in mid-epoch"),
        pytest.param({"max_steps": 24}, None, 24, id="max_steps at an epoch's end"),
        pytest.param({"max_epochs": 2}, None, 24, id="max_epochs"),
        pytest.param({"max_epochs": 2, "limit_val_batches": 0}, None, 24, id="no validation"),
        pytest.param({"max_steps": 30, "limit_val_batches": 0}, None, 30, id="no validation in mid-epoch"),
        pytest.param({"max_steps": 100}, Stop(17, "batch"), 17, id="stop at a batch"),
        pytest.param({"max_epochs": 5}, Stop(24, "epoch"), 24, id="stop at an epoch's end"),
        pytest.param({"max_steps": 100, "val_check_interval": 10}, Stop(20, "validation"), 20, id="early stopping"),
        pytest.param({"max_steps": 100}, Stop(17, "signal"), 17, id="signal in mid-epoch"),
        pytest.param({"max_epochs": 5}, Stop(24, "signal"), 24, id="signal at an epoch's end"),
    ],
)
def test_last_is_the_end_and_continues_bit_for_bit(
    options: dict[str, Any], stop: Stop | None, step: int, uninterrupted: dict[str, Tensor], tmp_path: Path
) -> None:
    ended = run(tmp_path, [stop] if stop else [], **options)
    found = last(tmp_path)
    assert found["global_step"] == step
    if ended:
        assert equal(found["state_dict"], ended)
        if options.get("limit_val_batches") != 0 and "val_check_interval" not in options:
            assert last(tmp_path, "oracle")["global_step"] == step
    for longer in ({"max_steps": 48, "max_epochs": -1}, {"max_steps": -1, "max_epochs": 4}):
        start = tmp_path / "checkpoints" / "last.ckpt"
        continued = run(tmp_path / "on", seed=7, ckpt_path=start, **options | longer)
        assert equal(continued, uninterrupted)


def test_a_training_without_a_step_saves_its_start(tmp_path: Path) -> None:
    ended = run(tmp_path, max_epochs=0)
    assert last(tmp_path)["global_step"] == 0
    assert equal(last(tmp_path)["state_dict"], ended)


def test_a_time_limit_is_an_end(tmp_path: Path) -> None:
    # No validation before the end: the rule could rightly prefer an earlier one.
    run(tmp_path, [Timer(duration={"seconds": 1})], max_epochs=10_000, val_check_interval=100_000)
    assert last(tmp_path)["global_step"] > 0
    assert last(tmp_path, "oracle")["global_step"] == last(tmp_path)["global_step"]


class Halved(Callback):
    """Changes the weights where training has ended."""

    def __init__(self, hook: str) -> None:
        setattr(self, hook, self.halve)

    def halve(self, trainer: Trainer, pl_module: LightningModule) -> None:
        with torch.no_grad():
            for parameter in pl_module.parameters():
                parameter.mul_(0.5)


AVERAGES: dict[str, Callable[[], Callback]] = {
    "SWA": lambda: StochasticWeightAveraging(swa_lrs=0.002, swa_epoch_start=1, annealing_epochs=1),
    "EMA": lambda: EMAWeightAveraging(decay=0.9),
    "on_train_end": lambda: Halved("on_train_end"),
    "on_fit_end": lambda: Halved("on_fit_end"),
}


@pytest.mark.parametrize("name", AVERAGES)
def test_last_and_the_rules_see_weights_that_change_at_the_end(name: str, tmp_path: Path) -> None:
    seen: list[dict[str, Tensor]] = []

    class Reached(Callback):
        def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
            seen.append({key: value.clone() for key, value in pl_module.state_dict().items()})

    ended = run(tmp_path, [AVERAGES[name](), Reached()], max_epochs=3)
    assert not equal(seen[2], ended)
    assert equal(last(tmp_path)["state_dict"], ended)
    if name != "on_fit_end":
        assert equal(last(tmp_path, "oracle")["state_dict"], ended)
    if name == "SWA":  # its schedule of rates is that of the planned length
        return
    whole = run(tmp_path / "whole", [AVERAGES[name]()], max_epochs=5)
    start = tmp_path / "checkpoints" / "last.ckpt"
    assert equal(whole, run(tmp_path / "on", [AVERAGES[name]()], ckpt_path=start, seed=7, max_epochs=5))
