"""What a DANN step on MNIST → USPS costs: a bare loop, ours through the Trainer, and per-sample decoding.

All three train the same network on the same batches' size with the same losses, in turn, round by round; the ratios
are taken within a round, because the machine's speed drifts between them.

    ADAPT_DATA=... python benchmarks/speed/run.py --rounds 7 --steps 100
"""

import argparse
import csv
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer, seed_everything
from lightning.pytorch.loggers import CSVLogger
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from adapt.backbones import LeNet
from adapt.data import Digits, DomainDataModule, Labelled, Pair, Unlabelled
from adapt.losses import coral, mmd
from adapt.methods import DANN
from adapt.schedules import ganin_ramp

BATCH, WARM_UP = 64, 10
HERE = Path(__file__).parent


def build() -> DANN:
    seed_everything(0, verbose=False)
    return DANN(problem=10, backbone=LeNet((1, 28, 28)), optimizer=lambda p: torch.optim.Adam(p, lr=1e-3))


class ImageFiles(Dataset[tuple[Tensor, int]]):
    """Images as files, decoded and transformed one by one, as TLlib's image lists are."""

    def __init__(self, folder: Path, x: Tensor, y: Tensor) -> None:
        folder.mkdir()
        self.paths, self.labels = [folder / f"{k}.png" for k in range(len(x))], y.tolist()
        for image, path in zip(x, self.paths, strict=True):
            Image.fromarray(image[0].numpy()).save(path)
        self.transform = v2.Compose(
            [v2.Resize(28), v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.5], [0.5])]
        )

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        with Image.open(self.paths[index]) as image:
            return self.transform(image.convert("L")), self.labels[index]


def bare_step(method: DANN, optimizer: torch.optim.Optimizer, batch: Pair, progress: float) -> None:
    joint = method(torch.cat([batch.source.x, batch.target.x]))
    n = len(batch.source.x)
    features = Reverse.apply(joint.features, ganin_ramp(progress))
    domain = method.discriminator(features)
    truth = torch.cat([torch.ones(n), torch.zeros(len(domain) - n)])
    loss = torch.nn.functional.cross_entropy(joint.logits[:n], batch.source.y)
    loss = loss + torch.nn.functional.binary_cross_entropy_with_logits(domain, truth)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


class Reverse(torch.autograd.Function):
    """The baseline's own gradient reversal, so that it owes nothing to the code it is compared with."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: float) -> Tensor:
        ctx.scale = scale
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return -ctx.scale * gradient, None


def loop(batches: Callable[[], Iterator[Pair]], steps: int) -> float:
    """Seconds per step of a plain loop, after a warm-up."""
    method = build().train()
    optimizer = torch.optim.Adam(method.parameters(), lr=1e-3)
    source = batches()
    for k in range(WARM_UP + steps):
        if k == WARM_UP:
            start = time.perf_counter()
        bare_step(method, optimizer, next(source), k / (WARM_UP + steps))
    return (time.perf_counter() - start) / steps


def in_memory(source: tuple[Tensor, Tensor], target: Tensor) -> Iterator[Pair]:
    def floats(x: Tensor) -> Tensor:
        return (x / 255 - 0.5) / 0.5

    while True:
        s, t = (torch.randperm(len(x))[: len(target) // BATCH * BATCH].split(BATCH) for x in (source[0], target))
        for i, j in zip(s, t, strict=True):
            yield Pair(Labelled(floats(source[0][i]), source[1][i], i), Unlabelled(floats(target[j]), j))


def decoded(source: ImageFiles, target: ImageFiles) -> Iterator[Pair]:
    nothing = torch.zeros(0)
    while True:
        options: dict[str, Any] = {"batch_size": BATCH, "shuffle": True, "drop_last": True, "num_workers": 1}
        # One worker for each domain's loader: two in all.
        for (x, y), (t, _) in zip(DataLoader(source, **options), DataLoader(target, **options), strict=False):
            yield Pair(Labelled(x, y, nothing), Unlabelled(t, nothing))


class Clock(Callback):
    """Times the Trainer's steps after the warm-up."""

    def on_train_batch_start(self, trainer: Trainer, *_: Any) -> None:
        if trainer.global_step == WARM_UP:
            self.start = time.perf_counter()

    def on_train_end(self, trainer: Trainer, *_: Any) -> None:
        self.seconds = time.perf_counter() - self.start


def in_memory_set(data: DomainDataModule, name: str) -> tuple[Tensor, Tensor]:
    """The training samples of a domain and their labels, as the datamodule holds them."""
    part: Any = data.domain(name, "train")
    x, labels = part.dataset.__getitems__(part.indices)
    return x, labels.y


def ours(data: Digits, steps: int, directory: str) -> float:
    """Seconds per step of `Trainer.fit`, CSV log included."""
    clock = Clock()
    trainer = Trainer(
        max_steps=WARM_UP + steps,
        max_epochs=-1,
        accelerator="cpu",
        callbacks=[clock],
        logger=CSVLogger(directory),
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=0,
    )
    trainer.fit(build(), datamodule=data)
    return clock.seconds / steps


def loss_seconds(repeats: int = 60) -> dict[str, float]:
    """Median seconds of each loss, forward and backward, on 64 + 64 features of 500 dimensions."""
    method = build().train()

    def domain(s: Tensor, t: Tensor) -> Tensor:
        logits = method.discriminator(Reverse.apply(torch.cat([s, t]), 0.5))
        return torch.nn.functional.binary_cross_entropy_with_logits(logits, torch.ones(len(logits)))

    losses: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"MMD": mmd, "CORAL": coral, "DANN head": domain}
    found: dict[str, float] = {}
    for name, loss in losses.items():
        times = []
        for _ in range(repeats):
            s, t = (torch.randn(BATCH, 500, requires_grad=True) for _ in range(2))
            start = time.perf_counter()
            loss(s, t).backward()
            times.append(time.perf_counter() - start)
        found[name] = statistics.median(times)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=100)
    options = parser.parse_args()
    data = Digits("mnist", "usps", batch_size=BATCH)
    data.setup("fit")
    (xs, ys), (xt, yt) = (in_memory_set(data, name) for name in ("mnist", "usps"))
    rows = []
    with tempfile.TemporaryDirectory() as directory:
        files = [ImageFiles(Path(directory, name), x[:6500], y[:6500]) for name, x, y in (("s", xs, ys), ("t", xt, yt))]
        for number in range(options.rounds):
            loops: dict[str, Callable[[], float]] = {
                "a": lambda: loop(lambda: in_memory((xs, ys), xt), options.steps),
                "b": lambda: ours(Digits("mnist", "usps", batch_size=BATCH), options.steps, directory),
                "c": lambda: loop(lambda: decoded(*files), options.steps),
            }
            # Whoever goes first in a round goes last in the next.
            order = list(loops) if number % 2 == 0 else list(reversed(loops))
            times = {name: loops[name]() for name in order}
            a, b, c = (times[name] for name in loops)
            rows.append(
                {"round": number, "a_ms": 1e3 * a, "b_ms": 1e3 * b, "c_ms": 1e3 * c, "b/a": b / a, "c/b": c / b}
            )
            print({key: round(value, 3) for key, value in rows[-1].items()}, flush=True)
    with (HERE / "rounds.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows({key: round(value, 4) for key, value in row.items()} for row in rows)
    middle = {key: statistics.median(row[key] for row in rows) for key in rows[0]}
    lines = [
        f"LeNet, 64 + 64 images, Adam, {torch.get_num_threads()} CPU threads, torch {torch.__version__}; medians of "
        f"{options.rounds} paired rounds of {options.steps} steps.",
        f"`python benchmarks/speed/run.py --rounds {options.rounds} --steps {options.steps}`",
        "",
        "| loop | ms per step | ratio | range over rounds |",
        "|---|---|---|---|",
        f"| (a) bare PyTorch over tensors in memory | {middle['a_ms']:.1f} | | |",
        *(
            f"| {name} | {middle[column]:.1f} | {ratio} = {middle[ratio]:.2f} | "
            f"{min(row[ratio] for row in rows):.2f}–{max(row[ratio] for row in rows):.2f} |"
            for name, column, ratio in (
                ("(b) adapt through `Trainer`", "b_ms", "b/a"),
                ("(c) per-sample PIL decoding, 2 workers", "c_ms", "c/b"),
            )
        ),
        "",
        "Time of each loss, forward and backward on 64 + 64 features of 500 dimensions, as a share of step (b):",
        "",
        "| loss | ms | share |",
        "|---|---|---|",
        *(f"| {k} | {1e3 * v:.2f} | {1e5 * v / middle['b_ms']:.1f} % |" for k, v in loss_seconds().items()),
    ]
    print("\n".join(lines))


if __name__ == "__main__":
    main()
