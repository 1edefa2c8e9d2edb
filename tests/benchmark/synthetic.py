"""Cells, runs and results for tests, without any training."""

import errno
import os
import signal
import time
from pathlib import Path

import numpy as np

from adapt.benchmark.plan.plan import Cell
from adapt.benchmark.results.results import CellResult, Row, write_result
from adapt.errors import AdaptError, DivergedError

SETTINGS = {"SourceOnly": "source-only", "TargetOnly": "target labels", "FineTuning": "few-shot (5 per class)"}


def cells(out: Path, methods: tuple[str, ...] = ("SourceOnly", "DANN"), seeds: int = 2, **config: object) -> list[Cell]:
    return [
        Cell(
            task="a → b",
            method=method,
            seed=seed,
            config={"seed_everything": seed, **config},
            directory=out / "a-to-b" / method / str(seed),
            benchmark="test",
            setting=SETTINGS.get(method, "unsupervised"),
            config_hash=f"{seed}{sorted(config.items())}",
        )
        for seed in range(seeds)
        for method in methods
    ]


def rows(accuracy: float) -> list[Row]:
    return [
        Row(rule=rule, source_accuracy=0.9, target_accuracy=accuracy + shift, step=100)
        for rule, shift in (("last", 0.0), ("source_accuracy", -0.01), ("oracle", 0.01))
    ]


def run_cell(cell: Cell) -> list[Row]:
    """Leaves a trace per call, and does what `config.do` asks of the method or seed that `config.where` names."""
    with (cell.directory.parents[2] / "trace.txt").open("a") as file:
        file.write(f"{cell.method} {cell.seed} {os.getpid()}\n")
    (cell.directory / "half_written.bin").touch()
    if cell.config.get("where") in (None, cell.method, cell.seed):
        match cell.config.get("do"):
            case "fail":
                raise RuntimeError("out of memory, say")
            case "wrap":
                try:
                    raise AdaptError("Expected a domain, found moons_x.")
                except AdaptError as error:
                    raise ValueError("Does not validate against any of the Union subtypes") from error
            case "diverge":
                raise DivergedError("domain_loss is nan at step 3")
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "sleep":
                time.sleep(120)
            case "fill":
                raise OSError(errno.ENOSPC, "No space left on device")
            case "garble":
                return [Row(rule="last", source_accuracy=0.5, target_accuracy=float("nan"), step=1)]
            case "refuse":
                raise SystemExit(2)
    return rows(0.5 + cell.seed / 100)


def trace(out: Path) -> list[str]:
    path = out / "trace.txt"
    return [line.rpartition(" ")[0] for line in path.read_text().splitlines()] if path.exists() else []


def result(
    task: str, method: str, seed: int, accuracy: float | None, directory: Path = Path(), error: str | None = None
) -> CellResult:
    ok = accuracy is not None
    return CellResult(
        task=task,
        method=method,
        setting=SETTINGS.get(method, "unsupervised"),
        seed=seed,
        status="ok" if ok else "failed",
        error=None if ok else (error or "RuntimeError: out of memory"),
        rows=tuple(rows(accuracy)) if accuracy is not None else (),
        wall_seconds=12.0,
        config_hash="abc",
        commit="c0ffee",
        versions={"python": "3.11", "torch": "2.6"},
        device="cpu",
        threads=2,
        command="adapt benchmark --config b.yaml",
        started="2026-01-01T00:00:00+00:00",
        directory=directory,
    )


def write_benchmark(out: Path, tasks: tuple[str, ...] = ("a → b",), seeds: int = 2) -> None:
    """A finished benchmark with metrics, embeddings and confusion matrices, one failed cell in it."""
    rng = np.random.default_rng(0)
    means = {"SourceOnly": 0.6, "DANN": 0.8, "MMD": 0.4, "TargetOnly": 0.95}
    for k, task in enumerate(tasks):
        for method, mean in means.items():
            for seed in range(seeds):
                directory = out / f"task{k}" / method / str(seed)
                directory.mkdir(parents=True)
                failed = method == "MMD" and seed == 1
                write_result(
                    result(task, method, seed, None if failed else mean + seed / 500, directory, "<b>&boom</b>")
                )
                if failed:
                    continue
                lines = [f"{e},{e * 10},0.1,,\n{e},{e * 10},,0.9,{mean * e / 5}\n" for e in range(1, 6)]
                head = "epoch,step,train/loss,val/source_accuracy,oracle/target_accuracy\n"
                (directory / "metrics.csv").write_text(head + "".join(lines))
                y, domain = np.arange(60) % 3, np.repeat([0, 1], 30)
                np.savez(directory / "embedding.npz", xy_2d=rng.normal(size=(60, 2)), y=y, domain=domain)
                matrix = rng.integers(1, 20, size=(3, 3))
                np.savez(directory / "confusion.npz", matrix=matrix, class_names=np.array(["cat", "dog", "bird"]))
