"""The same seed gives the same weights, and a continued run the weights of the uninterrupted one, bit for bit."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import GradientAccumulationScheduler

from adapt.methods import Method
from adapt.schedules import InverseDecay
from tests.zoo import CASES, representative

OPTIONS: dict[str, Any] = {
    "optimizer": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9),
    "lr_scheduler": lambda optimizer: InverseDecay(optimizer),
    "dropout": 0.3,
    "backbone_lr_scale": 0.5,
}
# 810 training samples make epochs of 12 batches, so 30 steps end in the middle of the third one.
STEPS = 60
RESUMED = [name for name, case in CASES.items() if case.resume]


class Record(Callback):
    """λ and learning rate at every step."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, float, float]] = []

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        reversal = getattr(pl_module, "reversal", 0.0)
        self.seen.append((trainer.global_step, reversal, trainer.optimizers[0].param_groups[0]["lr"]))


class StopAt(Callback):
    """Ends a run early, as a killed one would, without changing its planned length."""

    def __init__(self, step: int, path: Path) -> None:
        self.step, self.path = step, path

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        if trainer.global_step == self.step:
            trainer.save_checkpoint(self.path)
            trainer.should_stop = True


def run(name: str, path: Path, callbacks: list[Callback], **kwargs: Any) -> Method:
    trainer = {"val_check_interval": 10, "check_val_every_n_epoch": None}
    case = CASES[name]
    trained, _, _ = case.train(path, steps=STEPS, trainer=trainer, callbacks=callbacks, **OPTIONS | kwargs)
    return trained


@pytest.mark.parametrize("name", representative(RESUMED))
def test_the_same_seed_gives_the_same_weights_and_another_does_not(name: str, tmp_path: Path) -> None:
    one, two, other = (run(name, tmp_path / str(k), [], seed=seed).state_dict() for k, seed in enumerate((3, 3, 4)))
    assert all(torch.equal(one[key], two[key]) for key in one)
    assert any(not torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize(("name", "interrupted"), [("DANN", 24), *((name, 30) for name in RESUMED)])
def test_a_continued_run_equals_the_uninterrupted_one(name: str, interrupted: int, tmp_path: Path) -> None:
    whole_record, first_record, second_record = Record(), Record(), Record()
    whole = run(name, tmp_path / "whole", [whole_record])
    stop = tmp_path / "stop.ckpt"
    run(name, tmp_path / "first", [first_record, StopAt(interrupted, stop)])
    continued = run(name, tmp_path / "second", [second_record], ckpt_path=stop, seed=77)
    assert len(first_record.seen) == interrupted
    assert first_record.seen + second_record.seen == whole_record.seen
    assert [step for step, _, _ in whole_record.seen] == list(range(1, STEPS + 1))
    expected, found = whole.state_dict(), continued.state_dict()
    assert all(torch.equal(expected[key], found[key]) for key in expected)


@pytest.mark.parametrize(("limit", "interrupted"), [(5, 10), (5, 12), (0.5, 6)])
def test_a_run_on_a_part_of_each_epoch_continues_with_the_next_one(
    limit: int | float, interrupted: int, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"steps": 25, "trainer": {"limit_train_batches": limit}}
    whole, _, _ = CASES["DANN"].train(tmp_path / "whole", **options)
    stop = tmp_path / "stop.ckpt"
    CASES["DANN"].train(tmp_path / "first", callbacks=[StopAt(interrupted, stop)], **options)
    continued, _, _ = CASES["DANN"].train(tmp_path / "second", ckpt_path=stop, seed=77, **options)
    expected, found = whole.state_dict(), continued.state_dict()
    assert all(torch.equal(expected[key], found[key]) for key in expected)


def test_a_schedule_over_epochs_does_not_send_a_continued_run_back_in_its_epoch(tmp_path: Path) -> None:
    # The schedule asks for the training's length, for which Lightning builds the loaders before it reads their place.
    options: dict[str, Any] = OPTIONS | {"steps": 20, "trainer": {"max_epochs": 3}}
    whole, _, _ = CASES["MMD"].train(tmp_path / "whole", **options)
    stop = tmp_path / "stop.ckpt"
    CASES["MMD"].train(tmp_path / "first", callbacks=[StopAt(9, stop)], **options)
    continued, _, _ = CASES["MMD"].train(tmp_path / "second", ckpt_path=stop, seed=77, **options)
    expected, found = whole.state_dict(), continued.state_dict()
    assert all(torch.equal(expected[key], found[key]) for key in expected)


class StopInside(Callback):
    """Saves and ends a run after some batches, between two steps."""

    def __init__(self, batches: int, path: Path) -> None:
        self.batches, self.path = batches, path

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        self.batches -= 1
        if self.batches == 0:
            trainer.save_checkpoint(self.path)
            trainer.should_stop = True


@pytest.mark.parametrize(("batches", "waits"), [(7, True), (8, False), (12, False)])
def test_a_run_that_stops_between_the_batches_of_one_step_keeps_their_gradient(
    batches: int, waits: bool, tmp_path: Path
) -> None:
    # Of 12 batches in an epoch the last 4 take a step of their own where a step is over 8.
    options: dict[str, Any] = OPTIONS | {"steps": 6, "trainer": {"accumulate_grad_batches": 4 if waits else 8}}
    whole, _, _ = CASES["MMD"].train(tmp_path / "whole", **options)
    stop = tmp_path / "stop.ckpt"
    CASES["MMD"].train(tmp_path / "first", callbacks=[StopInside(batches, stop)], **options)
    assert ("gradients" in torch.load(stop, weights_only=True)["adapt"]) is waits
    continued, _, _ = CASES["MMD"].train(tmp_path / "second", ckpt_path=stop, seed=77, **options)
    expected, found = whole.state_dict(), continued.state_dict()
    assert all(torch.equal(expected[key], found[key]) for key in expected)


def test_a_run_whose_accumulation_changes_with_the_epoch_continues_with_that_of_its_epoch(tmp_path: Path) -> None:
    stop = tmp_path / "stop.ckpt"

    def trained(name: str, *callbacks: Callback, **more: Any) -> Method:
        every = GradientAccumulationScheduler({0: 2, 1: 4})
        return CASES["MMD"].train(tmp_path / name, steps=12, callbacks=[every, *callbacks], **OPTIONS | more)[0]

    whole = trained("whole")
    trained("first", StopInside(16, stop))
    expected, found = whole.state_dict(), trained("second", ckpt_path=stop, seed=77).state_dict()
    assert all(torch.equal(expected[key], found[key]) for key in expected)


@pytest.mark.parametrize("name", representative(RESUMED))
def test_a_loaded_checkpoint_predicts_what_the_trained_method_predicts(name: str, tmp_path: Path) -> None:
    trained, data, trainer = CASES[name].train(tmp_path, steps=5, **OPTIONS)
    expected = trainer.predict(trained, datamodule=data)
    trainer.save_checkpoint(tmp_path / "end.ckpt")
    fresh = CASES[name].build(seed=9, dropout=OPTIONS["dropout"])
    found = trainer.predict(fresh, datamodule=data, ckpt_path=tmp_path / "end.ckpt", weights_only=True)
    for a, b in zip(expected, found, strict=True):
        # By place: built with a number of classes alone, the fresh one knows no class names.
        assert all(torch.equal(one, other) for one, other in zip(a.values(), b.values(), strict=True))


def test_the_schedules_of_a_whole_run_are_the_closed_forms(tmp_path: Path) -> None:
    record = Record()
    run("DANN", tmp_path, [record])
    step, reversal, rate = zip(*record.seen, strict=True)
    p = (torch.arange(STEPS) / STEPS).double()
    torch.testing.assert_close(torch.tensor(reversal).double(), 2 / (1 + torch.exp(-10 * p)) - 1, atol=1e-6, rtol=0)
    # The scheduler steps after the batch: what is left behind is the next step's rate, scaled for the backbone.
    after = torch.tensor(step).double() / STEPS
    torch.testing.assert_close(torch.tensor(rate).double(), 0.5 * 0.05 * (1 + 10 * after) ** -0.75)


@pytest.mark.parametrize(
    ("schedule", "closed_form"),
    [("tllib", lambda i: 0.5 * (2 / (1 + torch.exp(-i / 1000)) - 1)), ("constant", lambda i: 0.5 * torch.ones_like(i))],
)
def test_the_other_schedules_of_dann_are_their_closed_forms(schedule: str, closed_form: Any, tmp_path: Path) -> None:
    record = Record()
    run("DANN", tmp_path, [record], schedule=schedule, max_lambda=0.5)
    found = torch.tensor([reversal for _, reversal, _ in record.seen]).double()
    torch.testing.assert_close(found, closed_form(torch.arange(STEPS).double()), atol=1e-6, rtol=0)
