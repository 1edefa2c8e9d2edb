"""Callbacks cost nothing in a batch where they have nothing to do, and what they do there still happens."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from adapt.methods import SourceOnly
from adapt.selection import BestCheckpoint
from tests.toy import train


class Counted(Callback):
    def __init__(self) -> None:
        self.batches = 0

    def on_train_batch_end(self, *_: Any) -> None:
        self.batches += 1


class Steps(ModelCheckpoint):
    """A person's own, which saves in the middle of an epoch."""


def test_empty_hooks_are_passed_over_and_others_run(tmp_path: Path) -> None:
    counted, given = Counted(), Callback()
    calls: list[int] = []

    def own(trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        calls.append(trainer.global_step)

    given.on_before_backward = own  # type: ignore[method-assign]  # on the object, as a mock is
    steps = Steps(dirpath=tmp_path / "own", every_n_train_steps=4, save_top_k=-1)
    _, _, trainer = train(SourceOnly, tmp_path, steps=10, callbacks=[counted, given, steps])
    assert counted.batches == 10
    assert calls == list(range(10))
    assert sorted(p.stem for p in (tmp_path / "own").iterdir()) == ["epoch=0-step=4", "epoch=0-step=8"]
    assert counted.on_before_backward is None  # type: ignore[comparison-overlap]
    rules = [c for c in trainer.checkpoint_callbacks if isinstance(c, BestCheckpoint)]
    assert rules
    assert all(c.on_train_batch_end is None and c.on_train_batch_start is None for c in rules)


FLUSHED = """
import torch
from adapt.training.cli import AdaptCLI
tiny = torch.full((8,), 2e-38)
before = bool((tiny / 4 > 0).all())
data = ["--data", "Moons", "--data.source", "moons", "--data.target", "moons_30", "--run_dir", "run"]
AdaptCLI(["fit", *data, "--model", "SourceOnly", "--model.backbone", "Identity", "--trainer.fast_dev_run", "true"])
print(before, bool((tiny / 4 > 0).any()), torch.set_flush_denormal(True))
"""


def test_commands_count_numbers_below_the_normal_ones_as_zero(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FLUSHED]
    said = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout.split()
    before, after, supported = said[-3:]
    assert before == "True"
    assert after == ("False" if supported == "True" else "True")
