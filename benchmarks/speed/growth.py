"""How cost grows with batch, width, cells and images: a log-log fit's exponent, and the memory of an image folder.

An exponent of 1 is linear growth, 2 quadratic, 0 none. One thread; processor time of this process, the median of
rounds; sizes take turns within a round, so that what slows the machine down slows all of them.

    python benchmarks/speed/growth.py --rounds 5
    python benchmarks/speed/growth.py --images 1000 10000 100000 1000000     # memory; as many files are made
"""

import argparse
import gc
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from commands import write_grid
from PIL import Image

from adapt.backbones import MLP, LeNet
from adapt.benchmark.statistics.analysis import read_analysis
from adapt.data import ImageFolders, Labelled, Pair, Unlabelled
from adapt.losses import coral, mmd
from adapt.methods import DANN

MIB = 2**20
READ, SIDE, MOST_LINKS = 20_000, 8, 60_000
Run = Callable[[], object]


def loss_of(loss: Callable[..., torch.Tensor], batch: int, width: int) -> Run:
    s, t = (torch.randn(batch, width, requires_grad=True) for _ in range(2))
    return lambda: loss(s, t).backward()


def dann_step(method: DANN, shape: tuple[int, ...], batch: int) -> Run:
    index = torch.arange(batch)
    pair = Pair(Labelled(torch.randn(batch, *shape), index % 10, index), Unlabelled(torch.randn(batch, *shape), index))

    def run() -> None:
        source, target = method.encode(pair)
        domain = method.discriminator(torch.cat([source.features, target.features]))
        (method.supervised_loss(source.logits, pair.source.y) + domain.square().mean()).backward()

    return run


def of_batch(batch: int) -> Run:
    return dann_step(DANN(problem=10, backbone=LeNet((1, 28, 28))), (1, 28, 28), batch)


def of_width(width: int) -> Run:
    return dann_step(DANN(problem=10, backbone=MLP((width,), hidden=[width, width])), (width,), 64)


def of_cells(cells: int) -> Run:
    folder = Path(tempfile.mkdtemp())
    write_grid(folder, cells)
    return partial(read_analysis, folder)


CASES: dict[str, tuple[Callable[[int], Run], Sequence[int]]] = {
    "DANN step, LeNet, batch": (of_batch, (16, 32, 64, 128, 256)),
    "DANN step, MLP of two layers, width": (of_width, (256, 512, 1024, 2048)),
    "MMD, d = 256, batch": (lambda n: loss_of(mmd, n, 256), (64, 128, 256, 512, 1024)),
    "MMD, linear, d = 256, batch": (lambda n: loss_of(partial(mmd, estimator="linear"), n, 256), (256, 1024, 4096)),
    "CORAL, batch 64, width": (lambda d: loss_of(coral, 64, d), (128, 256, 512, 1024, 2048)),
    "statistics of a grid's results, cells": (of_cells, (84, 168, 336, 672)),
}


def grow(rounds: int) -> None:
    print("| cost of | sizes | ms | exponent |\n|---|---|---|--:|")
    for name, (make, sizes) in CASES.items():
        runs = {size: make(size) for size in sizes}
        times: dict[int, list[float]] = {size: [] for size in sizes}
        for run in runs.values():
            run()
        for turn in range(rounds):
            for size in sizes if turn % 2 == 0 else reversed(sizes):
                start = time.process_time()
                runs[size]()
                times[size].append(time.process_time() - start)
        medians = [statistics.median(times[size]) for size in sizes]
        exponent = np.polyfit(np.log(sizes), np.log(medians), 1)[0]
        shown = ", ".join(f"{1000 * value:.3g}" for value in medians)
        print(f"| {name} | {', '.join(map(str, sizes))} | {shown} | {exponent:.2f} |", flush=True)


def make_files(root: Path, count: int) -> None:
    """So many names of one small picture, in two domains of ten classes; a file may have 65000 names on ext4."""
    own = root / ".own"
    own.mkdir(parents=True)
    for k in range(count):
        if k % MOST_LINKS == 0:
            picture = own / f"{k}.png"
            Image.fromarray(np.full((SIDE, SIDE, 3), k // MOST_LINKS, np.uint8)).save(picture)
        folder = root / "images" / f"domain-{k % 2}" / f"class-{k // 2 % 10}"
        if k < 20:
            folder.mkdir(parents=True)
        os.link(picture, folder / f"image-{k:09d}.png")


def held() -> float:
    """MiB of memory that are this process's own; mapped files are the system's, which takes them back at need."""
    gc.collect()
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon"))


def child(root: Path) -> None:
    before = held()
    options = {"image_size": SIDE, "resize": SIDE, "store_size": SIDE, "batch_size": 64}
    data = ImageFolders("domain-0", "domain-1", root=str(root / "images"), **options)
    data.setup("fit")
    for k, _ in enumerate(data.batches()):
        if (k + 1) * 128 >= READ:
            break
    print(f"{before} {held()}")


def memory(counts: Sequence[int]) -> None:
    print(f"Up to {READ} images read, through the store.\n")
    print("| images | MiB before | MiB more | bytes per image |\n|--:|--:|--:|--:|")
    for count in counts:
        with tempfile.TemporaryDirectory(dir=os.environ.get("ADAPT_SCRATCH")) as name:
            make_files(Path(name), count)
            environment = os.environ | {"XDG_CACHE_HOME": f"{name}/cache"}
            words = [sys.executable, __file__, "--child", name]
            done = subprocess.run(words, check=True, env=environment, stdout=subprocess.PIPE, text=True)
            before, after = map(float, done.stdout.split()[-2:])
            shutil.rmtree(name)
            Path(name).mkdir()
        print(f"| {count} | {before:.0f} | {after - before:.0f} | {(after - before) * MIB / count:.0f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, nargs="+", help="measure memory with so many images instead")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.child is not None:
        child(options.child)
    elif options.images:
        memory(options.images)
    else:
        grow(options.rounds)


if __name__ == "__main__":
    main()
