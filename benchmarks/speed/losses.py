"""What CORAL and linear-time MMD cost beside their definitions: value and gradient, forward and backward.

Two ways to the same number take turns, round by round, on one thread; the ratios are taken within a round, because
the machine's speed drifts between them, and the time is this process's, so that others on the machine count little.
A turn is 20 calls after one that does not count: the first call after the other way's turn starts with cold caches.

    python benchmarks/speed/losses.py --rounds 15
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from adapt.losses import coral, mmd
from adapt.losses.coral import covariance
from adapt.losses.kernels import gaussian_kernel, kernel_widths, squared_distances

CALLS = 20
Loss = Callable[[Tensor, Tensor], Tensor]


class Comparison(NamedTuple):
    name: str
    ours: Loss
    definition: Loss
    samples: int
    width: int


def coral_by_covariances(source: Tensor, target: Tensor) -> Tensor:
    return (covariance(source) - covariance(target)).square().mean() / 4


def linear_mmd_by_all_pairs(source: Tensor, target: Tensor) -> Tensor:
    pooled, n = torch.cat([source, target]), len(source)
    values = gaussian_kernel(squared_distances(pooled), kernel_widths(pooled))
    first = torch.arange(0, n, 2)
    within = values[first, first + 1] + values[n + first, n + first + 1]
    return (within - values[first, n + first + 1] - values[first + 1, n + first]).mean()


def linear_mmd(source: Tensor, target: Tensor) -> Tensor:
    return mmd(source, target, estimator="linear")


COMPARISONS = (
    *(Comparison("CORAL", coral, coral_by_covariances, 64, width) for width in (256, 1024, 2048)),
    *(Comparison("MMD, linear", linear_mmd, linear_mmd_by_all_pairs, size, 256) for size in (256, 1024)),
)


def seconds(loss: Loss, source: Tensor, target: Tensor) -> float:
    """Seconds per call."""
    for k in range(1 + CALLS):
        if k == 1:
            start = time.process_time()
        source.grad = target.grad = None
        loss(source, target).backward()
    return (time.process_time() - start) / CALLS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    print(
        "| loss | batch | d | definition, ms | here, ms | ratio | relative difference |\n|---|--:|--:|--:|--:|--:|--:|"
    )
    for name, ours, definition, samples, width in COMPARISONS:
        draw = torch.Generator().manual_seed(0)
        source, target = (torch.randn(samples, width, generator=draw).requires_grad_() for _ in range(2))
        difference = float((ours(source, target) / definition(source, target) - 1).detach().abs())
        # Whoever goes first in a round goes second in the next.
        times: list[dict[bool, float]] = []
        for k in range(rounds):
            order = (True, False) if k % 2 else (False, True)
            times.append({mine: seconds(ours if mine else definition, source, target) for mine in order})
        here, there = (1e3 * statistics.median(t[mine] for t in times) for mine in (True, False))
        ratio = statistics.median(t[False] / t[True] for t in times)
        print(f"| {name} | {samples} | {width} | {there:.2f} | {here:.2f} | {ratio:.1f} | {difference:.0e} |")


if __name__ == "__main__":
    main()
