"""What loader workers cost at an epoch and a validation where they are not copies of the process: forkserver, spawn.

Wall seconds from asking a training loader for an epoch, or a validation loader for a pass, to its first batch: at the
first time, when the workers start and import, and at later ones. Beside it the same loader with workers that end with
each epoch, as they did before.

    ADAPT_DATA=... python benchmarks/speed/workers.py --passes 4
"""

import argparse
import multiprocessing
import os
import statistics
import time
from typing import Any

from torch.utils.data import DataLoader

from adapt.data import Digits


def first_batch(loader: Any) -> float:
    start = time.perf_counter()
    batches = iter(loader)
    next(batches)
    found = time.perf_counter() - start
    for _ in batches:
        pass
    return found


def restarted(loader: DataLoader[Any]) -> DataLoader[Any]:
    """The same loader, whose workers end with each pass."""
    return DataLoader(
        loader.dataset,
        batch_size=loader.batch_size,
        sampler=loader.sampler,
        num_workers=loader.num_workers,
        collate_fn=loader.collate_fn,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passes", type=int, default=4)
    options = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f}\n")
    print(
        "| start method | loader | first pass, s | later passes, s | with workers that end, s |\n|---|---|--:|--:|--:|"
    )
    for how in ("forkserver", "spawn"):
        multiprocessing.set_start_method(how, force=True)
        data = Digits("optdigits", "optdigits_photo", image_size=16, num_workers=2)
        data.setup("fit")
        training: Any = data.train_dataloader()
        for name, loader in (("training", training.source), ("validation", data.val_dataloader()[0])):
            first, *later = (first_batch(loader) for _ in range(options.passes))
            ended = [first_batch(restarted(loader)) for _ in range(2)]
            medians = f"{statistics.median(later):.2f} | {statistics.median(ended):.1f}"
            print(f"| {how} | {name} | {first:.1f} | {medians} |", flush=True)


if __name__ == "__main__":
    main()
