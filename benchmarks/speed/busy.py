"""A DANN cell beside one busy process: what its threads cost when they have to wait.

The same steps in processes of their own, with two threads that spin while they wait (OpenMP's way), two that sleep
(`OMP_WAIT_POLICY=PASSIVE`, which `adapt benchmark` sets) and one (what `--jobs auto` gives a cell), alone and beside a
process that counts. Rounds alternate; medians of the steps' times, in ratios to two spinning threads alone.

    python benchmarks/speed/busy.py --rounds 5 --steps 40
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CASES = {
    "two threads, spinning": {"OMP_NUM_THREADS": "2"},
    "two threads, passive": {"OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "PASSIVE"},
    "one thread": {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"},
}
BUSY = "while True: pass"


def child(steps: int) -> None:
    import torch

    sys.path.insert(0, str(HERE))
    from run import BATCH, bare_step, build

    from adapt.data import Labelled, Pair, Unlabelled

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    method = build()
    optimizer = torch.optim.Adam(method.parameters(), lr=1e-3)
    x, y, index = torch.randn(BATCH, 1, 28, 28), torch.randint(10, (BATCH,)), torch.arange(BATCH)
    batch = Pair(Labelled(x, y, index), Unlabelled(torch.randn_like(x), index))
    times = []
    for step in range(steps + 5):
        began = time.perf_counter()
        bare_step(method, optimizer, batch, step / steps)
        times.append(time.perf_counter() - began)
    print(1000 * statistics.median(times[5:]))


def measure(environment: dict[str, str], steps: int, busy: bool) -> float:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "MKL_", "GOMP_"))}
    kept |= environment | {"PYTHONPATH": str(ROOT)}
    other = subprocess.Popen([sys.executable, "-c", BUSY]) if busy else None
    try:
        words = [sys.executable, __file__, "--child", "--steps", str(steps)]
        return float(subprocess.run(words, env=kept, check=True, capture_output=True, text=True).stdout.split()[-1])
    finally:
        if other is not None:
            other.kill()
            other.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.steps)
        return
    found: dict[tuple[str, bool], list[float]] = {}
    for turn in range(arguments.rounds):
        order = [(name, busy) for name in CASES for busy in (False, True)]
        for name, busy in order if turn % 2 == 0 else reversed(order):
            found.setdefault((name, busy), []).append(measure(CASES[name], arguments.steps, busy))
        print(f"round {turn + 1}: load {os.getloadavg()[0]:.1f}", file=sys.stderr, flush=True)
    base = found["two threads, spinning", False]

    def against(values: list[float], others: list[float]) -> str:
        return f"{statistics.median(a / b for a, b in zip(values, others, strict=True)):.2f}"

    print("| a DANN cell | ms alone | ms beside a busy process | slower than itself alone | than spinning alone |")
    print("|---|--:|--:|--:|--:|")
    for name in CASES:
        alone, beside = found[name, False], found[name, True]
        medians = f"{statistics.median(alone):.1f} | {statistics.median(beside):.1f}"
        print(f"| {name} | {medians} | {against(beside, alone)} | {against(beside, base)} |")


if __name__ == "__main__":
    main()
