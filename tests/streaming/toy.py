"""Small images of four kinds whose contrast and brightness change: batch norm mends it, the source network cannot."""

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from adapt.backbones import SmallCNN
from adapt.data import TensorDomain
from adapt.data.streams import Order, Shift, arrange
from adapt.methods import Method, SourceOnly
from adapt.problems import Classification
from adapt.streaming import METHODS, StreamMethod
from adapt.streaming.run import Streamed, run_stream
from adapt.streaming.target import Arrivals

CLASSES, SIDE, SAMPLES = 4, 12, 480
# Two updates or more of RoTTA's memory; few views, which are slow.
OPTIONS: dict[str, dict[str, Any]] = {
    "CoTTA": {"views": 2, "flip": False},
    "RoTTA": {"flip": False, "alpha": 0.3},
    "ROID": {"flip": False},
    "EATA": {"similarity": 0.7},
}


def images(seed: int, shifted: bool = False, noise: float = 30.0) -> tuple[Tensor, Tensor]:
    """Bytes `(N, 1, 12, 12)` and their classes: a bright bar at one of four sides."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.randint(CLASSES, (SAMPLES,), generator=generator)
    x = torch.full((SAMPLES, 1, SIDE, SIDE), 60.0)
    for k, (rows, columns) in enumerate(
        (
            (slice(0, 4), slice(None)),
            (slice(8, 12), slice(None)),
            (slice(None), slice(0, 4)),
            (slice(None), slice(8, 12)),
        )
    ):
        at = (y == k).nonzero().flatten()
        x[at[:, None, None], 0, torch.arange(SIDE)[rows][:, None], torch.arange(SIDE)[columns]] = 190.0
    x = x + noise * torch.randn(x.shape, generator=generator)
    x = 170 + 0.25 * x if shifted else x
    return x.clamp(0, 255).round().to(torch.uint8), y


def prepare(x: Tensor) -> Tensor:
    return x.float() / 127.5 - 1


@lru_cache(maxsize=4)
def trained(seed: int = 0, bottleneck: int | None = 16) -> Method:
    """A network of the source, trained for about a second."""
    torch.manual_seed(seed)
    method = SourceOnly(
        problem=CLASSES, backbone=SmallCNN((1, SIDE, SIDE), width=8, grid=2), bottleneck=bottleneck
    ).train()
    x, y = images(100 + seed)
    optimizer = torch.optim.Adam(method.parameters(), lr=5e-3)
    for step in range(60):
        rows = torch.arange(SAMPLES).roll(-step * 64)[:64]
        loss = method.cross_entropy(method(prepare(x[rows])).logits, y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return method.eval()


def order(seed: int, scenario: str = "single", rounds: int = 1) -> Order:
    labels = [images(200)[1]] if scenario == "correlated" else None
    return arrange(scenario, [Shift("target")], [SAMPLES], seed, labels=labels, classes=CLASSES, rounds=rounds)


def target(
    seed: int = 0,
    batch_size: int = 32,
    labels: Tensor | str | None = "own",
    scenario: str = "single",
    rounds: int = 1,
    noise: float = 30.0,
    shifted: bool = True,
) -> Arrivals:
    x, y = images(200, shifted=shifted, noise=noise)
    domain = TensorDomain(x, y if isinstance(labels, str) else labels)
    names = {"target": [str(row) for row in range(SAMPLES)]}
    return Arrivals(order(seed, scenario, rounds), {"target": domain}, Classification(CLASSES), batch_size, seed, names)


def build(name: str, seed: int = 0, bottleneck: int | None = 16, **more: Any) -> StreamMethod:
    method = METHODS[name](trained(seed, bottleneck), prepare, **OPTIONS.get(name, {}) | more)
    if method.reads_source:
        method.begin(list(images(300 + seed)[0].split(64)))
    return method


def streamed(name: str, arrivals: Arrivals, seed: int = 0, **more: Any) -> Streamed:
    return run_stream(build(name, seed, **more), arrivals, seed)
