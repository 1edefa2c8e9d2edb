"""Alternating phases: who steps, in what order, and that batches are what is counted."""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.cli import ReduceLROnPlateau
from lightning.pytorch.plugins import MixedPrecision
from torch import nn

from adapt.data import Pair
from adapt.errors import AdaptError, DivergedError
from adapt.methods import MCD, AlternatingMethod, Method, Phase
from adapt.schedules import InverseDecay
from tests.methods.test_resume import Record
from tests.toy import train


class Turns(AlternatingMethod):
    """Two steps of the head alone, then one of everything."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.moved: list[tuple[bool, bool]] = []
        self.shares: list[float] = []

    def parts(self) -> dict[str, Sequence[nn.Module]]:
        return {"body": [self.backbone, self.bottleneck], "head": [self.classifier]}

    def phases(self, batch: Pair) -> Iterator[Phase]:
        self.shares.append(self.progress)
        for parts in (["head"], ["head"], ["body", "head"]):
            before = self._weights()
            yield Phase(parts, {"source": self.cross_entropy(self.encode(batch).source.logits, batch.source.y)})
            self.moved.append(tuple(not torch.equal(a, b) for a, b in zip(before, self._weights(), strict=True)))

    def _weights(self) -> list[torch.Tensor]:
        return [next(m.parameters()).detach().clone() for m in (self.backbone, self.classifier)]


def test_each_phase_moves_its_own_parts_and_the_next_sees_it(tmp_path: Path) -> None:
    trained, _, _ = train(Turns, tmp_path, steps=4)
    assert trained.moved == 4 * [(False, True), (False, True), (True, True)]


def test_steps_progress_and_schedule_count_batches(tmp_path: Path) -> None:
    record = Record()
    trained, _, trainer = train(
        Turns,
        tmp_path,
        steps=20,
        callbacks=[record],
        optimizer=lambda p: torch.optim.SGD(p, lr=0.1),
        lr_scheduler=lambda optimizer: InverseDecay(optimizer),
    )
    assert trainer.global_step == 20
    assert trained.shares == pytest.approx([k / 20 for k in range(20)])
    rates = [rate for _, _, rate in record.seen]
    assert rates == pytest.approx([0.1 * (1 + 10 * k / 20) ** -0.75 for k in range(1, 21)])


def test_the_terms_are_logged_and_a_diverged_one_is_named(tmp_path: Path) -> None:
    _, _, trainer = train(Turns, tmp_path, steps=3)
    assert {"train/source", "train/loss"} <= set(trainer.callback_metrics)
    with pytest.raises(DivergedError, match="'source' of Turns is not finite"):
        train(Turns, tmp_path / "high", steps=50, optimizer=lambda p: torch.optim.SGD(p, lr=1e30))


def test_a_method_without_phases_says_so(tmp_path: Path) -> None:
    with pytest.raises(AdaptError, match="phases"):
        train(type("Empty", (AlternatingMethod,), {"parts": Turns.parts}), tmp_path, steps=1)


def sgd(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=0.1)


class Kept(Turns):
    """Keeps the batches, and the weights that it started from."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.batches: list[Pair] = []
        self.first = deepcopy([self.backbone, self.classifier])

    def phases(self, batch: Pair) -> Iterator[Phase]:
        self.batches.append(batch)
        yield from super().phases(batch)


@pytest.mark.parametrize(("algorithm", "limit"), [("norm", 0.1), ("value", 0.01)])
def test_each_phase_is_clipped_over_the_parts_that_step(algorithm: str, limit: float, tmp_path: Path) -> None:
    flags = {"gradient_clip_val": limit, "gradient_clip_algorithm": algorithm}
    trained, _, _ = train(Kept, tmp_path, steps=3, trainer=flags, optimizer=sgd)
    unclipped, _, _ = train(Kept, tmp_path / "free", steps=3, optimizer=sgd)
    body, head = trained.first
    for batch in trained.batches:
        for parts in ([head], [head], [body, head]):
            moving = [p for part in parts for p in part.parameters()]
            loss = nn.functional.cross_entropy(head(body(batch.source.x)), batch.source.y)
            for parameter, gradient in zip(moving, torch.autograd.grad(loss, moving), strict=True):
                parameter.grad = gradient
            if algorithm == "norm":
                torch.nn.utils.clip_grad_norm_(moving, limit)
            else:
                torch.nn.utils.clip_grad_value_(moving, limit)
            torch.optim.SGD(moving, lr=0.1).step()
    found = [*trained.backbone.parameters(), *trained.classifier.parameters()]
    expected = [*body.parameters(), *head.parameters()]
    torch.testing.assert_close(found, expected)
    assert not torch.allclose(expected[0], next(unclipped.backbone.parameters()), atol=1e-3)


@pytest.mark.parametrize("method", [Turns, MCD])
def test_two_batches_of_32_train_as_one_of_64(method: type[Method], tmp_path: Path) -> None:
    record = Record()
    schedule: dict[str, Any] = {"optimizer": sgd, "lr_scheduler": lambda optimizer: InverseDecay(optimizer)}
    whole, _, _ = train(method, tmp_path / "whole", steps=8, **schedule)
    halves, _, trainer = train(
        method,
        tmp_path / "halves",
        steps=8,
        data={"batch_size": 32},
        trainer={"accumulate_grad_batches": 2},
        callbacks=[record],
        **schedule,
    )
    torch.testing.assert_close(halves.state_dict(), whole.state_dict(), atol=1e-5, rtol=1e-4)
    assert trainer.global_step == 8
    assert [step for step, _, _ in record.seen] == [k // 2 for k in range(1, 17)]


def test_an_epochs_last_batches_step_with_their_own_mean(tmp_path: Path) -> None:
    flags = {"accumulate_grad_batches": 5, "limit_train_batches": 6}
    trained, _, trainer = train(Kept, tmp_path, steps=4, trainer=flags, optimizer=sgd)
    assert trainer.global_step == 4
    assert len(trained.batches) == 12
    assert len(trained.moved) == 3 * 12


def test_the_parts_of_a_phase_share_one_verdict_of_the_loss_scaler(tmp_path: Path) -> None:
    # The scale doubles with each of the scaler's verdicts: a second one within a phase would halve a part's gradient.
    scaler = torch.amp.GradScaler("cpu", init_scale=256.0, growth_interval=1)
    plugin = MixedPrecision("16-mixed", "cpu", scaler)
    half, _, _ = train(Turns, tmp_path / "half", steps=1, trainer={"plugins": plugin}, optimizer=sgd)
    full, _, _ = train(Turns, tmp_path / "full", steps=1, optimizer=sgd)
    assert scaler.get_scale() == 256 * 2**3
    torch.testing.assert_close(half.state_dict(), full.state_dict(), atol=2e-3, rtol=2e-2)


@pytest.mark.parametrize("method", [Turns, MCD])
def test_a_plateau_is_looked_for_after_each_validation(method: type[Method], tmp_path: Path) -> None:
    def waiting(optimizer: torch.optim.Optimizer) -> ReduceLROnPlateau:
        # Nothing is an improvement of more than 10, so that every validation but the first halves the rate.
        options: dict[str, Any] = {"mode": "max", "factor": 0.5, "patience": 0, "threshold": 10.0}
        return ReduceLROnPlateau(optimizer, "val/source_accuracy", threshold_mode="abs", **options)

    flags = {"val_check_interval": 5, "check_val_every_n_epoch": None}
    options: dict[str, Any] = {"trainer": flags, "optimizer": sgd, "lr_scheduler": waiting}
    _, _, trainer = train(method, tmp_path, steps=20, **options)
    assert [group["lr"] for part in trainer.optimizers for group in part.param_groups] == 2 * [0.1 * 0.5**3]
    saved = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    assert [group["lr"] for part in saved["optimizer_states"] for group in part["param_groups"]] == 2 * [0.1 * 0.5**3]
    unknown: Any = lambda optimizer: ReduceLROnPlateau(optimizer, "val/loss")  # noqa: E731
    with pytest.raises(AdaptError, match=r"no metric 'val/loss' to watch: logged are .*val/source_accuracy"):
        train(method, tmp_path / "unknown", steps=6, **options | {"lr_scheduler": unknown})


def test_an_optimizer_that_repeats_its_loss_cannot_alternate(tmp_path: Path) -> None:
    with pytest.raises(AdaptError, match="Turns alternates, and LBFGS"):
        train(Turns, tmp_path, steps=1, optimizer=lambda p: torch.optim.LBFGS(p))
