"""A grid on one GPU in slices of a few minutes: python benchmarks/gpu/run.py [--minutes 9] [--plan PLAN] [--out RUNS].

As many cells run side by side as the card's memory and the machine's cores allow. After the time given the grid is
stopped as by Ctrl-C: finished cells stay, the others begin anew in the next slice. Type the same command until it says
that nothing is left. The exit status is 0 then, and 75 while cells are missing.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
import yaml

from adapt.benchmark.plan.plan import read_plan
from adapt.benchmark.results.results import RESULT_FILE
from adapt.benchmark.run.machine import usable_cores

ROOT = Path(__file__).resolve().parents[2]
PLAN = ROOT / "configs" / "benchmarks" / "gpu_digits.yaml"
MORE_TO_RUN = 75  # "try again later" in sysexits.h


def side_by_side(gib_per_cell: float) -> int:
    """Cells that fit on the first GPU, one to a core at most; on a machine without a GPU one to a core."""
    cores = usable_cores()
    if not torch.cuda.is_available():
        return cores
    gib = torch.cuda.get_device_properties(0).total_memory / 2**30
    return max(1, min(cores, int(gib / gib_per_cell)))


def absolute(entry: Any, folder: Path) -> Any:
    """A plan's entry with the files that it names as they are from any folder."""
    if isinstance(entry, dict):
        return {key: absolute(value, folder) for key, value in entry.items()}
    if isinstance(entry, list):
        return [absolute(value, folder) for value in entry]
    if isinstance(entry, str) and entry.endswith(".yaml") and (folder / entry).is_file():
        return str((folder / entry).resolve())
    return entry


def shortened(entry: Any, steps: int) -> Any:
    """A plan's entry whose runs end after so many steps, with one validation at the end."""
    if isinstance(entry, list):
        return [shortened(value, steps) for value in entry]
    if not isinstance(entry, dict):
        return entry
    lengths = {"max_steps": steps, "val_check_interval": steps}
    return {
        key: value | {name: lengths[name] for name in lengths if name in value}
        if key == "trainer"
        else shortened(value, steps)
        for key, value in entry.items()
    }


def own_plan(plan: Path, out: Path, count: int, steps: int | None) -> Path:
    """Write the plan with the share of the GPU that a cell gets here."""
    content = absolute(yaml.safe_load(plan.read_text(encoding="utf-8")), plan.parent)
    content["resources"] = {"cpu": max(1, usable_cores() // count), "gpu": 1 / count}
    if steps is not None:
        content = shortened(content, steps)
    out.mkdir(parents=True, exist_ok=True)
    path = out.parent / f"{out.name}.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return path


def missing(plan: Path, out: Path) -> tuple[int, int]:
    """Cells without a result, and all cells."""
    cells = read_plan(plan, out, "disabled").cells
    return sum(not (cell.directory / RESULT_FILE).exists() for cell in cells), len(cells)


def main(arguments: list[str]) -> int:
    """Run one slice."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plan", type=Path, default=PLAN, help="the benchmark (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("runs/gpu_digits"), help="results (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=9, help="length of a slice (default: 9)")
    parser.add_argument("--gib-per-cell", type=float, default=1.5, help="GPU memory of a cell (default: 1.5)")
    parser.add_argument("--steps", type=int, help="shorter runs, to try the script")
    options = parser.parse_args(arguments)
    count = side_by_side(options.gib_per_cell)
    plan = own_plan(options.plan, options.out, count, options.steps)
    before, cells = missing(plan, options.out)
    command = [sys.executable, "-m", "adapt", "benchmark", "--config", str(plan), "--out", str(options.out)]
    command += ["--wandb", "disabled", "--jobs", str(count)]
    print(
        f"{cells - before} of {cells} cells are done; {count} side by side for {options.minutes:g} minutes.", flush=True
    )
    started = time.monotonic()
    if before:
        # A group of its own: what stops the grid must not stop this script too.
        process = subprocess.Popen(command, start_new_session=True)
        try:
            process.wait(60 * options.minutes)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            os.killpg(process.pid, signal.SIGINT)
            process.wait()
    after, _ = missing(plan, options.out)
    done, seconds = before - after, time.monotonic() - started
    if not after:
        print(f"All {cells} cells are done: {options.out / 'report.html'}")
    elif done:
        more = after / done * seconds / 60
        print(f"{done} cells in {seconds / 60:.1f} minutes; {after} are left, about {more:.0f} minutes more.")
    else:
        print(f"No cell ended within {options.minutes:g} minutes: a slice has to be longer than one cell (--minutes).")
    return MORE_TO_RUN if after else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
