"""How much faster a grid is with cells side by side: `--jobs 2` against `--jobs 1`, `--jobs auto` on the quickstart.

Whole commands in processes of their own, imports and report included, as a person waits for them: wall time, so that
the machine must be idle otherwise. Who goes first alternates; ratios within a round.

    python benchmarks/speed/cells.py --rounds 3                          # 8 tiny cells
    python benchmarks/speed/cells.py --rounds 3 --quickstart --steps 100   # the quickstart, 100 of its 600 steps
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from adapt.shipped import FOLDER
from adapt.yaml_files import read_yaml

ADAM = {"class_path": "torch.optim.Adam", "init_args": {"lr": 0.01}}
MLP = {"class_path": "MLP", "init_args": {"hidden": [64]}}


def tiny(cells: int, steps: int) -> dict[str, Any]:
    """A grid of DANN on two moons, a few seconds a cell."""
    return {
        "name": "tiny",
        "seeds": list(range(cells)),
        "embeddings": False,
        "base": {"trainer": limits(steps)},
        "tasks": {"moons": {"data": {"class_path": "Moons", "init_args": {"source": "moons", "target": "moons_35"}}}},
        "methods": {"DANN": {"model": {"class_path": "DANN", "init_args": {"backbone": MLP, "optimizer": ADAM}}}},
    }


def quickstart(path: Path, steps: int) -> dict[str, Any]:
    """The shipped quickstart, its files by whole paths, with fewer steps and as many validations."""
    plan: dict[str, Any] = read_yaml(path)

    def found(part: Any) -> Any:
        if isinstance(part, list):
            return [found(each) for each in part]
        return str((path.parent / part).resolve()) if isinstance(part, str) else part

    tasks = {name: [found(file), {"trainer": limits(steps)}] for name, file in plan["tasks"].items()}
    return plan | {"tasks": tasks, "methods": {name: found(part) for name, part in plan["methods"].items()}}


def limits(steps: int) -> dict[str, Any]:
    every = max(1, steps // 6)
    return {"max_steps": steps, "max_epochs": -1, "val_check_interval": every, "check_val_every_n_epoch": None}


def seconds(plan: Path, jobs: str) -> float:
    with tempfile.TemporaryDirectory() as out:
        words = ["benchmark", "--config", str(plan), "--out", f"{out}/runs", "--wandb", "disabled", "--jobs", jobs]
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "adapt", *words], check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--cells", type=int, default=8)
    parser.add_argument("--quickstart", action="store_true")
    options = parser.parse_args()
    # `--jobs auto` decides itself how many threads a cell has.
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.pop(name, None)
    if options.quickstart:
        plan, others = quickstart(FOLDER / "benchmarks/quickstart.yaml", options.steps), "auto"
    else:
        plan, others = tiny(options.cells, options.steps), "2"
    found: dict[str, list[float]] = {"1": [], others: []}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plan.yaml"
        path.write_text(yaml.safe_dump(plan, allow_unicode=True), encoding="utf-8")
        for turn in range(options.rounds):
            before = os.getloadavg()[0]
            for jobs in list(found) if turn % 2 == 0 else reversed(found):
                found[jobs].append(seconds(path, jobs))
            one, more = (found[jobs][-1] for jobs in ("1", others))
            print(f"round {turn + 1}: {one:.1f} s, {more:.1f} s, load before {before:.1f}", file=sys.stderr, flush=True)
    ratio = statistics.median(a / b for a, b in zip(found["1"], found[others], strict=True))
    one, more = (statistics.median(values) for values in found.values())
    print(f"| {plan['name']}, {options.steps} steps | s |\n|---|--:|")
    print(f"| --jobs 1 | {one:.1f} |\n| --jobs {others} | {more:.1f} |\n| times as fast | {ratio:.2f} |")


if __name__ == "__main__":
    main()
