"""A grid on a Ray cluster of two nodes, in which a worker, a node and the command itself are killed.

Starts two nodes on this machine, trains a small grid on them with `adapt benchmark --engine ray --address ...`, sends
SIGKILL in turn to the process of a running cell, to a whole node (another one joins later) and to the command, and
starts the command again. Then it compares with a run of `adapt benchmark --jobs 1` that nobody disturbed: nothing may
be lost, no finished cell may run twice, and every number and every weight must be the same to the bit.

    python benchmarks/cluster/kills.py --seeds 3 --log benchmarks/cluster/kills.log
    python benchmarks/cluster/kills.py --seeds 3 --ship     # as if the nodes did not share the folder
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import yaml

STORE = 80 * 2**20
MLP = {"class_path": "MLP", "init_args": {"hidden": [8]}}
ADAM = {"class_path": "torch.optim.Adam", "init_args": {"lr": 0.01}}


def plan(seeds: int, steps: int) -> dict[str, Any]:
    """DANN, source-only, and a method that starts from the latter's run."""

    def model(name: str, **more: Any) -> dict[str, Any]:
        return {"model": {"class_path": name, "init_args": {"backbone": MLP, "optimizer": ADAM, **more}}}

    trainer = {"max_steps": steps, "max_epochs": -1, "val_check_interval": steps // 2, "check_val_every_n_epoch": None}
    return {
        "name": "kills",
        "seeds": list(range(seeds)),
        "embeddings": False,
        "base": {
            "data": {"class_path": "Moons", "init_args": {"source": "moons", "target": "moons_35"}},
            "trainer": trainer,
        },
        "tasks": {"moons": {}},
        "methods": {
            "DANN": model("DANN"),
            "Wide": model("SourceOnly", bottleneck=8),
            "TENT": {"config": model("TENT", bottleneck=8), "init_from": "Wide"},
        },
    }


@contextmanager
def two_nodes(cpus: int = 1, **second: Any) -> Iterator[Any]:
    """A cluster of two nodes on this machine, which is gone afterwards."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    options = {"num_cpus": cpus, "object_store_memory": STORE, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=options)
    try:
        cluster.add_node(num_cpus=cpus, object_store_memory=STORE, **second)
        yield cluster
    finally:
        cluster.shutdown()


def runners(node: Any) -> list[int]:
    """Processes of cells on a node."""
    (raylet,) = node.all_processes["raylet"]
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            name = (path / "cmdline").read_bytes()
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == raylet.process.pid and name.startswith(b"ray::CellRunner"):
            found.append(int(path.name))
    return found


def cell_of(process: int) -> str | None:
    """The cell that a process runs: its output goes into the cell's folder."""
    try:
        path = Path(f"/proc/{process}/fd/1").readlink()
    except OSError:
        return None
    return "/".join(path.parts[-4:-1]) if path.name == "log.txt" else None


def training(nodes: Iterable[Any]) -> list[int]:
    """Processes that run a cell now."""
    return [process for node in nodes for process in runners(node) if cell_of(process)]


def results(out: Path) -> dict[str, str]:
    return {str(path.parent.relative_to(out)): path.read_text() for path in out.rglob("result.json")}


class Log:
    """What happened, with the seconds since the beginning, on the terminal and in a file."""

    def __init__(self) -> None:
        self.began, self.lines, self._lock = time.monotonic(), list[str](), threading.Lock()

    def __call__(self, line: str) -> None:
        with self._lock:
            self.lines.append(f"{time.monotonic() - self.began:6.1f} s  {line}")
            print(self.lines[-1], flush=True)


class Grid:
    """`adapt benchmark` in a process of its own, whose lines go into the log."""

    def __init__(self, words: list[str], log: Log, name: str) -> None:
        log(f"$ adapt {' '.join(words)}")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "adapt", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self._log, self._name, self.printed = log, name, list[str]()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.printed.append(line.rstrip())
            if line.startswith(("Ray:", "lost", "adapt:", "No node")) or "/ seed" in line.partition(":")[0]:
                self._log(f"{self._name}: {line.rstrip()}")

    def wait(self, until: Callable[[], bool], seconds: float = 600) -> None:
        end = time.monotonic() + seconds
        while not until():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError("the grid ended too early:\n" + "\n".join(self.printed[-20:]))
            time.sleep(0.05)

    def __enter__(self) -> "Grid":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()

    def join(self) -> int:
        code = self.process.wait(900)
        self._reader.join(30)
        return code


def demonstrate(folder: Path, seeds: int, steps: int, ship: bool, log: Log) -> tuple[int, int, int]:
    """Returns how many results were lost, how many finished cells ran twice, and how many differ from a local run."""
    path, out = folder / "plan.yaml", folder / "killed"
    path.write_text(yaml.safe_dump(plan(seeds, steps), sort_keys=False))
    words = ["benchmark", "--config", str(path), "--wandb", "disabled"]
    whole = Grid([*words, "--out", str(folder / "local"), "--jobs", "1"], Log(), "local")
    assert whole.join() == 0, whole.printed[-5:]
    seen = dict[str, str]()
    lost = twice = 0

    def check() -> None:
        nonlocal lost, twice, seen
        now = results(out)
        lost += len(seen.keys() - now.keys())
        twice += sum(now[place] != text for place, text in seen.items() if place in now)
        seen = now
        log(f"{len(now)} of {3 * seeds} cells done, {lost} lost, {twice} run twice")

    with two_nodes() as cluster:
        (second,) = cluster.worker_nodes
        words += ["--out", str(out), "--engine", "ray", "--address", cluster.address, *(["--ship"] if ship else [])]
        with Grid(words, log, "first command") as grid:
            grid.wait(lambda: len(results(out)) >= 1)
            grid.wait(lambda: bool(training([cluster.head_node, second])))
            victim = training([cluster.head_node, second])[0]
            log(f"SIGKILL to process {victim}, which runs {cell_of(victim)}")
            os.kill(victim, signal.SIGKILL)
            check()
            before = len(results(out))
            grid.wait(lambda: len(results(out)) > before and bool(training([second])))
            log(f"SIGKILL to the second node, which runs {', '.join(str(cell_of(p)) for p in training([second]))}")
            cluster.remove_node(second, allow_graceful=False)
            check()
            before = len(results(out))
            grid.wait(lambda: len(results(out)) > before)
            third = cluster.add_node(num_cpus=1, object_store_memory=STORE)
            log("a third node joins")
            # Its process takes a while to begin, and the command has to die before the grid ends.
            grid.wait(lambda: bool(training([third])) or len(results(out)) >= 3 * seeds - 3)
            grid.wait(lambda: bool(training([cluster.head_node, third])))
            processes = training([cluster.head_node, third])
            log(f"SIGKILL to the command, while {', '.join(str(cell_of(p)) for p in processes)} run")
            grid.process.kill()
            grid.join()
            check()
        with Grid(words, log, "second command") as grid:
            code = grid.join()
            log(f"second command: exit code {code}")
            check()
            assert code == 0, grid.printed[-10:]
    other = sum(differs(folder / "local" / place, out / place) for place in seen)
    missing = results(folder / "local").keys() - seen.keys()
    log(f"{len(seen)} cells, {len(missing)} missing; {other} differ from `--jobs 1` in rows, metrics or weights")
    return lost + len(missing), twice, other


def differs(one: Path, other: Path) -> bool:
    """Whether two runs of a cell are not the same to the bit."""
    first, second = (json.loads((path / "result.json").read_text()) for path in (one, other))
    if (first["status"], first["rows"]) != (second["status"], second["rows"]):
        return True
    if (one / "metrics.csv").read_text() != (other / "metrics.csv").read_text():
        return True
    names = [{path.name for path in folder.glob("checkpoints/*.ckpt")} for folder in (one, other)]
    if names[0] != names[1] or not names[0]:
        return True
    for name in names[0]:
        a, b = (torch.load(f / "checkpoints" / name, weights_only=True)["state_dict"] for f in (one, other))
        if a.keys() != b.keys() or not all(torch.equal(a[key], b[key]) for key in a):
            return True
    return False


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--ship", action="store_true")
    parser.add_argument("--log", type=Path)
    arguments = parser.parse_args()
    os.environ.setdefault("WANDB_MODE", "disabled")
    # Ends the cluster too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    # As many threads as a cell has on the cluster: sums in another order round differently.
    os.environ["OMP_NUM_THREADS"] = "1"
    log = Log()
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        counts = demonstrate(Path(folder), arguments.seeds, arguments.steps, arguments.ship, log)
    log("lost {}, run twice {}, different {}".format(*counts))
    if arguments.log:
        text = "\n".join(log.lines).replace(folder, "DIR")
        arguments.log.write_text(text + "\n")
    return int(any(counts))


if __name__ == "__main__":
    sys.exit(main())
