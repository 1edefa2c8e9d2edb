"""What a step costs as `adapt fit` really runs it, against a bare loop; and where the time of a whole cell goes.

`adapt fit` validates, scores, keeps checkpoints, watches and logs, as the shipped task files have it; Weights & Biases
is off. The bare loop does a step's arithmetic over tensors in memory, and nothing else, so that the ratio of all to it
is an upper bound: a loop that is of any use validates, too. `steps` leaves out what lies between the start of a
validation and the next step. One thread; processor time of this process; ratios within a round. Our Adam takes fused
steps and the bare loop torch's default, as a person would write it; "bare, fused" is the loop that asks for them.

    ADAPT_DATA=... python benchmarks/speed/steps.py --rounds 3
    ADAPT_DATA=... python benchmarks/speed/steps.py --rounds 3 --cell     # a cell of Amazon's grid, 450 steps
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from lightning.pytorch import Callback, seed_everything
from run import BATCH, WARM_UP, bare_step, in_memory_set
from torch import Tensor

from adapt.backbones import MLP, LeNet
from adapt.benchmark.plan.plan import read_plan
from adapt.benchmark.run.folders import prepare
from adapt.benchmark.run.train_and_test import run_cell
from adapt.data import AmazonReviews, Digits, DomainDataModule, Labelled, Pair, Unlabelled
from adapt.losses import mmd
from adapt.methods import DANN, MMD, Method
from adapt.training import cli

CONFIGS = Path(__file__).parents[2] / "configs"
now = time.process_time


class Clock(Callback):
    """Processor seconds of a training's steps, and of its validations with all that follows from them."""

    def __init__(self, warm_up: int) -> None:
        self.warm_up = warm_up
        self.start = self.validating = 0.0
        self.paused: float | None = None

    def on_train_batch_start(self, trainer: Any, *_: Any) -> None:
        self._go_on()
        if trainer.global_step == self.warm_up:
            self.start, self.validating = now(), 0.0

    def on_validation_start(self, *_: Any) -> None:
        self.paused = now()

    def stop(self) -> None:
        self._go_on()
        self.steps = now() - self.start - self.validating

    def _go_on(self) -> None:
        if self.paused is not None:
            self.validating, self.paused = self.validating + now() - self.paused, None


class Fit(cli.AdaptCLI):
    """`adapt fit`, looked at by a clock."""

    clock = Clock(0)

    def before_fit(self) -> None:
        super().before_fit()
        self.trainer.callbacks.insert(0, Fit.clock)

    def fit(self, model: Any, **kwargs: Any) -> None:
        super().fit(model, **kwargs)
        Fit.clock.stop()


def ours(task: str, method: str, steps: int) -> Clock:
    """`adapt fit` with shipped files, for some steps and one validation after the last."""
    Fit.clock = Clock(WARM_UP)
    with tempfile.TemporaryDirectory() as folder:
        files = [f"--config={CONFIGS / 'tasks' / task}.yaml", f"--config={CONFIGS / 'methods' / method}.yaml"]
        length = [f"--trainer.{name}={steps + WARM_UP}" for name in ("max_steps", "val_check_interval")]
        Fit(["fit", *files, f"--run_dir={folder}/run", *length, "--trainer.enable_progress_bar=false"], says=False)
    return Fit.clock


def mmd_step(method: Method, optimizer: torch.optim.Optimizer, batch: Pair, _: float) -> None:
    n = len(batch.source.x)
    features, logits = method(torch.cat([batch.source.x, batch.target.x]))
    loss = torch.nn.functional.cross_entropy(logits[:n], batch.source.y) + mmd(features[:n], features[n:])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def bare(
    data: DomainDataModule, method: Method, step: Callable[..., None], steps: int, fused: bool | None = None
) -> float:
    """Seconds per step of a plain loop over the same training sets, in memory as they are there."""
    (xs, ys), (xt, _) = (in_memory_set(data, name) for name in (*data.sources, data.target))
    optimizer = torch.optim.Adam(method.train().parameters(), lr=1e-3, fused=fused)
    batches = pairs(xs, ys, xt, data.transform)
    for k in range(WARM_UP + steps):
        if k == WARM_UP:
            start = now()
        step(method, optimizer, next(batches), k / (WARM_UP + steps))
    return (now() - start) / steps


def pairs(xs: Tensor, ys: Tensor, xt: Tensor, transform: Callable[[Tensor], Tensor]) -> Iterator[Pair]:
    whole = min(len(xs), len(xt)) // BATCH * BATCH
    while True:
        orders = (torch.randperm(len(x))[:whole].split(BATCH) for x in (xs, xt))
        for i, j in zip(*orders, strict=True):
            yield Pair(Labelled(transform(xs[i]), ys[i], i), Unlabelled(transform(xt[j]), j))


def dann() -> tuple[DomainDataModule, Method, Callable[..., None]]:
    backbone = LeNet((1, 28, 28), dropout=0.5)
    return Digits("mnist", "usps", batch_size=BATCH), DANN(problem=10, backbone=backbone), bare_step


def mlp() -> tuple[DomainDataModule, Method, Callable[..., None]]:
    backbone = MLP((5000,), hidden=[100], dropout=0.5)
    return AmazonReviews("books", "dvd", batch_size=BATCH), MMD(problem=2, backbone=backbone), mmd_step


CASES = {
    "DANN, LeNet, MNIST → USPS": ("mnist_usps", "dann", dann, 300),
    "MMD, MLP, Amazon": ("amazon_books_dvd", "mmd", mlp, 150),
}
"""Shipped task and method, the bare loop's parts, and the task's steps between validations."""


def compare(rounds: int) -> None:
    print("| step | bare, ms | bare, fused | steps, ms | all, ms | steps / bare | all / bare | range | all / fused |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|")
    for name, (task, method, parts, steps) in CASES.items():
        found: list[tuple[float, float, float, float]] = []
        ours(task, method, 1)  # the first validation of a process also imports
        for turn in range(rounds):
            seed_everything(0, verbose=False)
            # Whoever goes first in a round goes second in the next.
            loops = [bare(*parts(), steps, fused) for fused in (None, True)] if turn % 2 == 0 else []
            clock = ours(task, method, steps)
            loop, fused = loops or [bare(*parts(), steps, fused) for fused in (None, True)]
            found.append((loop, fused, clock.steps / steps, (clock.steps + clock.validating) / steps))
        loop, fused, alone, everything = (1000 * statistics.median(column) for column in zip(*found, strict=True))
        ratios = [whole / loop for loop, _, _, whole in found]
        steps_alone = statistics.median(step / loop for loop, _, step, _ in found)
        to_fused = statistics.median(whole / fused for _, fused, _, whole in found)
        print(
            f"| {name} | {loop:.2f} | {fused:.2f} | {alone:.2f} | {everything:.2f} | {steps_alone:.2f} | "
            f"{statistics.median(ratios):.2f} | {min(ratios):.2f}–{max(ratios):.2f} | {to_fused:.2f} |",
            flush=True,
        )


def take_apart(rounds: int) -> None:
    """Shares of a cell's time; the first cell of a process also imports, and is not counted."""
    shares: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name, patch.object(cli, "AdaptCLI", Fit):
        plan = read_plan(CONFIGS / "benchmarks/amazon.yaml", Path(name), "disabled")
        cell = next(cell for cell in plan.cells if cell.method == "MMD")
        for turn in range(rounds + 1):
            own = replace(cell, directory=Path(name) / "task" / "MMD" / str(turn))
            prepare(own)
            Fit.clock = Clock(0)
            start = now()
            run_cell(own)
            whole = now() - start
            parts = {
                "training steps": Fit.clock.steps,
                "validations, scores, checkpoints": Fit.clock.validating,
                "before the first step": Fit.clock.start - start,
            }
            parts["tests of each rule's weights, results"] = whole - sum(parts.values())
            if turn:
                shares.setdefault("seconds", []).append(whole)
                for what, seconds in parts.items():
                    shares.setdefault(what, []).append(seconds / whole)
    print(f"A cell of {plan.name} (MMD, 450 steps): {statistics.median(shares.pop('seconds')):.1f} s\n")
    print("| part | share |\n|---|--:|")
    for what, found in shares.items():
        print(f"| {what} | {100 * statistics.median(found):.0f} % |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cell", action="store_true", help="take a cell of Amazon's grid apart")
    options = parser.parse_args()
    os.environ["WANDB_MODE"] = "disabled"
    torch.set_num_threads(1)
    (take_apart if options.cell else compare)(options.rounds)
    print(f"\n{options.rounds} rounds, one thread, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
