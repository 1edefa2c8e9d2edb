"""Schedules against their closed forms."""

import math
from collections.abc import Callable
from io import BytesIO

import pytest
import torch
from jsonargparse import ArgumentParser
from lightning.pytorch.cli import LRSchedulerCallable
from torch.optim import SGD

from adapt.errors import AdaptError
from adapt.schedules import InverseDecay, ganin_ramp, tllib_ramp


def sgd(*rates: float) -> SGD:
    return SGD([{"params": [torch.zeros(1, requires_grad=True)], "lr": rate} for rate in rates])


def rates_after(scheduler: InverseDecay, steps: int) -> list[float]:
    for _ in range(steps):
        scheduler.optimizer.step()
        scheduler.step()
    return [float(group["lr"]) for group in scheduler.optimizer.param_groups]


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 1.0])
def test_ganin_ramp_is_its_formula(p: float) -> None:
    assert ganin_ramp(p) == pytest.approx(2 / (1 + math.exp(-10 * p)) - 1)
    assert ganin_ramp(p, gamma=3) == pytest.approx(2 / (1 + math.exp(-3 * p)) - 1)


@pytest.mark.parametrize("step", [0, 1, 999, 1000, 20000])
def test_tllib_ramp_is_its_formula_and_does_not_end_at_total(step: int) -> None:
    assert tllib_ramp(step) == pytest.approx(2 / (1 + math.exp(-step / 1000)) - 1)
    assert tllib_ramp(step, alpha=10, total=500) == pytest.approx(2 / (1 + math.exp(-10 * step / 500)) - 1)


def test_decay_per_progress_is_ganins_formula_in_every_group() -> None:
    scheduler = InverseDecay(sgd(0.01, 0.1), total_steps=40)
    for step in range(1, 41):
        factor = (1 + 10 * step / 40) ** -0.75
        assert rates_after(scheduler, 1) == pytest.approx([0.01 * factor, 0.1 * factor])


def test_decay_per_step_needs_no_length() -> None:
    scheduler = InverseDecay(sgd(0.01), gamma=0.001, power=0.5, per="step")
    assert rates_after(scheduler, 7) == pytest.approx([0.01 * 1.007**-0.5])


def test_both_forms_are_one_curve() -> None:
    per_progress = InverseDecay(sgd(0.01), total_steps=200)
    per_step = InverseDecay(sgd(0.01), gamma=10 / 200, per="step")
    assert rates_after(per_progress, 30) == pytest.approx(rates_after(per_step, 30))


def test_length_may_be_set_after_construction_and_is_missed_only_then() -> None:
    scheduler = InverseDecay(sgd(0.01))
    assert scheduler.get_last_lr() == [0.01]
    scheduler.total_steps = 10
    assert rates_after(scheduler, 5) == pytest.approx([0.01 * 6**-0.75])
    with pytest.raises(AdaptError, match="total_steps"):
        rates_after(InverseDecay(sgd(0.01)), 1)


def test_resumed_training_continues_the_curve() -> None:
    straight = rates_after(InverseDecay(sgd(0.01, 0.1), total_steps=20), 15)
    first = InverseDecay(sgd(0.01, 0.1), total_steps=20)
    rates_after(first, 9)
    optimizer = sgd(0.01, 0.1)
    resumed = InverseDecay(optimizer)
    file = BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    optimizer.load_state_dict(first.optimizer.state_dict())
    assert resumed.last_epoch == 9
    assert rates_after(resumed, 6) == pytest.approx(straight)


def test_bad_arguments_are_named() -> None:
    with pytest.raises(AdaptError, match="per='progress' or 'step'"):
        InverseDecay(sgd(0.01), per="epoch")  # type: ignore[arg-type]
    with pytest.raises(AdaptError, match="gamma"):
        InverseDecay(sgd(0.01), gamma=-1)


def test_command_line_builds_it_from_its_class_path() -> None:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--lr_scheduler", type=LRSchedulerCallable)
    values = parser.parse_args(
        ["--lr_scheduler=adapt.schedules.InverseDecay", "--lr_scheduler.gamma=0.5", "--lr_scheduler.per=step"]
    )
    build: Callable[[SGD], InverseDecay] = parser.instantiate_classes(values).lr_scheduler
    scheduler = build(sgd(0.1))
    assert isinstance(scheduler, InverseDecay)
    assert rates_after(scheduler, 4) == pytest.approx([0.1 * 3**-0.75])
