"""Alternating phases: who steps, in what order, and that batches are what is counted."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from adapt.data import Pair
from adapt.errors import AdaptError, DivergedError
from adapt.methods import AlternatingMethod, Phase
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
