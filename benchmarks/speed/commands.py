"""What commands without a training cost: `adapt --help`, `--version`, and `adapt report` on generated results.

Each runs in a process of its own. Processor time is of the command and all that it starts, so that others on the
machine count little; wall time is what a person waits, and is given beside it.

    python benchmarks/speed/commands.py --rounds 5 --cells 1000
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from adapt.benchmark.results.results import CellResult, write_result
from adapt.selection.rules import RULES

METHODS, SEEDS, VALIDATIONS, CLASSES, SAMPLES = 28, 3, 10, 7, 60


class Cost:
    """Seconds of one run of a command."""

    def __init__(self, words: Sequence[str]) -> None:
        start = time.perf_counter()
        child = subprocess.Popen([sys.executable, "-m", "adapt", *words], stdout=subprocess.DEVNULL)
        _, code, used = os.wait4(child.pid, 0)
        assert code == 0, words
        self.wall, self.processor = time.perf_counter() - start, used.ru_utime + used.ru_stime


def write_grid(out: Path, cells: int) -> None:
    """Finished cells of several tasks, with every rule, curves, embeddings and confusion matrices, but no training."""
    draw = np.random.default_rng(0)
    for k in range(cells):
        task, method, seed = k // (METHODS * SEEDS), k // SEEDS % METHODS, k % SEEDS
        folder = out / f"task-{task}" / f"method-{method}" / str(seed)
        folder.mkdir(parents=True)
        accuracy = 0.5 + 0.01 * method + 0.02 * draw.normal(size=len(RULES))
        rows = tuple(
            {"rule": rule, "step": 100, "source_accuracy": 0.9, "target_accuracy": float(value)}
            for rule, value in zip(RULES, accuracy, strict=True)
        )
        write_result(
            CellResult(
                task=f"task {task}",
                method=f"method {method}",
                setting="source-only" if method == 0 else "unsupervised",
                seed=seed,
                status="ok",
                error=None,
                rows=rows,
                wall_seconds=10.0,
                config_hash=str(k),
                commit=None,
                versions={},
                device="cpu",
                threads=1,
                command="",
                started="2026-01-01T00:00:00+00:00",
                directory=folder,
            )
        )
        names = [name for name in RULES.values() if name is not None]
        values = draw.uniform(0.3, 0.9, size=(VALIDATIONS, len(names)))
        lines = [f"{k},{10 * k},{','.join(map(str, row))}" for k, row in enumerate(values)]
        (folder / "metrics.csv").write_text("\n".join([f"epoch,step,{','.join(names)}", *lines]) + "\n")
        y, domain = np.arange(SAMPLES) % CLASSES, np.repeat([0, 1], SAMPLES // 2)
        np.savez(folder / "embedding.npz", xy_2d=draw.normal(size=(SAMPLES, 2)), y=y, domain=domain)
        matrix, classes = draw.integers(1, 20, size=(CLASSES, CLASSES)), [f"class {k}" for k in range(CLASSES)]
        np.savez(folder / "confusion.npz", matrix=matrix, class_names=np.array(classes))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cells", type=int, default=1000)
    options = parser.parse_args()
    found: dict[str, list[Cost]] = {}
    with tempfile.TemporaryDirectory() as name:
        write_grid(Path(name), options.cells)
        commands = {"adapt --help": ["--help"], "adapt --version": ["--version"]}
        commands[f"adapt report, {options.cells} cells"] = ["report", name]
        for turn in range(options.rounds):
            for what in list(commands) if turn % 2 == 0 else reversed(commands):
                found.setdefault(what, []).append(Cost(commands[what]))
    print(f"{options.rounds} rounds, load {os.getloadavg()[0]:.1f}\n")
    print("| command | processor, s | wall, s |\n|---|--:|--:|")
    for what, costs in found.items():
        processor, wall = (statistics.median(getattr(cost, kind) for cost in costs) for kind in ("processor", "wall"))
        print(f"| {what} | {processor:.2f} | {wall:.2f} |")


if __name__ == "__main__":
    main()
