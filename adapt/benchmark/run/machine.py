"""How the cells of a grid share one machine: how many side by side, with how many threads, on which GPU."""

import multiprocessing
import os
import sys
import threading
from dataclasses import dataclass
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Literal

import torch
from threadpoolctl import threadpool_limits

from adapt.benchmark.plan.resources import NOTHING_ASKED, Resources
from adapt.errors import AdaptError

Jobs = int | Literal["auto"]

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_BYTES_PER_CELL = 1.5 * 2**30  # of a small network, mostly libraries
_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Share:
    """What each cell gets.

    Attributes:
        jobs: Cells side by side.
        threads: CPU threads of each.
        devices: What to deal out as `CUDA_VISIBLE_DEVICES`, to the cell the entry that fewest have; empty where cells
            share what there is.
    """

    jobs: int
    threads: int
    devices: tuple[str, ...] = ()


def share(jobs: Jobs, asked: Resources = NOTHING_ASKED) -> Share:
    """How cells share this machine.

    `auto` is one cell for each GPU, or as many as a fraction of one allows; without a GPU one for each CPU that this
    process may use, as far as memory goes. Cells of small networks then have one thread each: a second thread makes one
    of them 1.2 times as fast, a second cell beside it gets twice as much done.

    Args:
        jobs: Cells side by side, or `auto`.
        asked: What each cell asks for. A machine without a GPU runs the cells that ask for one on its CPUs.

    Raises:
        AdaptError: The number is below 1, or a cell asks for more GPUs than there are.
    """
    if isinstance(jobs, int) and jobs < 1:
        raise AdaptError(f"Expected --jobs of at least 1, found {jobs}.")
    cores = usable_cores()
    devices, cells = _dealt(_devices(), asked.gpu)
    fitting = max(1, min(cores // (asked.cpu or 1), int(_free_memory() / _BYTES_PER_CELL)))
    count = jobs if jobs != "auto" else cells or fitting
    hidden = devices == ("",)
    return Share(count, asked.cpu or max(1, cores // count), devices if count > 1 or hidden else ())


def _dealt(devices: tuple[str, ...], gpu: float | None) -> tuple[tuple[str, ...], int]:
    """What cells see of the GPUs, and how many cells fit on these; 0 where CPUs decide."""
    if not devices:
        return (), 0
    if gpu == 0:
        return ("",), 0
    if gpu is None or gpu <= 1:
        # 1 / 0.1 is a little less than 10 for some fractions.
        return devices, len(devices) * int(1 / (gpu or 1) + 1e-6)
    each = int(gpu)
    if each > len(devices):
        raise AdaptError(f"A cell asks for {each} GPUs (`resources`), and this machine has {len(devices)}.")
    groups = tuple(",".join(devices[at : at + each]) for at in range(0, len(devices) - each + 1, each))
    return groups, len(groups)


def usable_cores() -> int:
    """CPUs that this process may use: those of the machine, less what a scheduler or a container withholds."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota, _, period = _read(_CGROUP / "cpu.max").partition(" ")
    if quota.isdecimal() and period.isdecimal():
        cores = min(cores, max(1, int(quota) // int(period)))
    return cores


def limit_threads(threads: int) -> None:
    """Let this process and those that it starts compute with so many threads: torch, and what NumPy and SciPy call.

    Args:
        threads: How many.
    """
    for name in _THREADS:
        os.environ[name] = str(threads)  # for libraries that are loaded later
    threadpool_limits(threads)
    torch.set_num_threads(threads)


def process_context() -> BaseContext:
    """How worker processes begin: as copies of this one where that is safe, which saves each its imports.

    It is safe on Linux while this process has one thread and there is no GPU: already to ask CUDA whether there is one
    initialises its driver, which copies cannot use and which then knows every GPU, whatever their variable says.
    """
    safe = sys.platform == "linux" and threading.active_count() == 1 and not torch.cuda.is_available()
    return multiprocessing.get_context("fork" if safe else "spawn")


def _devices() -> tuple[str, ...]:
    if not torch.cuda.is_available():
        return ()
    named = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    names = [name.strip() for name in named.split(",") if name.strip()]
    return tuple(names) or tuple(str(k) for k in range(torch.cuda.device_count()))


def _free_memory() -> float:
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for line in _read(Path("/proc/meminfo")).splitlines():
        if line.startswith("MemAvailable:"):
            found.append(1024 * int(line.split()[1]))
    if (limit := _read(_CGROUP / "memory.max")).isdecimal():
        used = _read(_CGROUP / "memory.current")
        found.append(int(limit) - (int(used) if used.isdecimal() else 0))
    return min(found)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
