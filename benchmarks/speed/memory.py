"""What a grid's process holds after 20, 60, ... 200 tiny cells: its memory must not grow with them.

python benchmarks/speed/memory.py --cells 200
"""

import argparse
import gc
import io
import os
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console

from adapt.benchmark.plan.plan import Cell
from adapt.benchmark.results.results import Row
from adapt.benchmark.run.grid import run_grid
from adapt.benchmark.run.train_and_test import run_cell

MIB = 2**20
CONFIG = {
    "data": {"class_path": "Moons", "init_args": {"source": "moons", "target": "moons_35"}},
    "model": {"class_path": "DANN", "init_args": {"backbone": {"class_path": "MLP", "init_args": {"hidden": [8]}}}},
    "trainer": {"max_steps": 4, "max_epochs": -1, "val_check_interval": 4, "check_val_every_n_epoch": None},
}


def resident() -> float:
    """MiB of this process that lie in memory, after a collection (Linux)."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / MIB


def measured(cell: Cell) -> list[Row]:
    rows = run_cell(cell)
    done = cell.seed + 1
    if done == 20 or done % 40 == 20 or done == 200:
        print(f"{done:4d} cells: {resident():6.0f} MiB", flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=200)
    arguments = parser.parse_args()
    os.environ.setdefault("WANDB_MODE", "disabled")
    with tempfile.TemporaryDirectory() as folder:
        cells = [cell(Path(folder), seed) for seed in range(arguments.cells)]
        outcome = run_grid(cells, measured, console=Console(file=io.StringIO()))
    assert not outcome.failed, outcome.failed[0].error


def cell(folder: Path, seed: int) -> Cell:
    config: dict[str, Any] = CONFIG | {"seed_everything": seed}
    directory = folder / "task" / "DANN" / str(seed)
    return Cell("task", "DANN", seed, config, directory, "memory", config_hash=str(seed), embedding=False)


if __name__ == "__main__":
    main()
