"""Large images from disk: the image store against torchvision's `ImageFolder`, with the same transforms and workers.

The images are PACS photographs, enlarged to 1200 pixels and saved as JPEG: what cameras and the larger data sets have.
Rounds alternate, and ratios are medians over rounds.

    ADAPT_DATA=... python benchmarks/speed/images.py --images 300 --rounds 3
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from adapt.data.images import open_image
from adapt.data.store import ImageStore
from adapt.paths import data_root

SIDE, STORED, BATCH, WORKERS = 1200, 256, 32, 2
CUT = v2.Compose([v2.RandomResizedCrop(224, scale=(0.7, 1.0)), v2.RandomHorizontalFlip(), v2.PILToTensor()])


class Stored(Dataset[Any]):
    """The images of a store, cut for training."""

    def __init__(self, store: ImageStore) -> None:
        self.store = store

    def __len__(self) -> int:
        return len(self.store.files)

    def __getitem__(self, index: int) -> Any:
        return CUT(self.store[index]), 0


def enlarged(root: Path, count: int) -> list[Path]:
    """Large JPEGs of PACS's photographs, in class folders."""
    for path in sorted((data_root() / "PACS" / "photo").rglob("*.webp"))[:count]:
        image = Image.open(path).convert("RGB")
        scale = SIDE / min(image.size)
        target = root / path.parent.name / f"{path.stem}.jpg"
        target.parent.mkdir(exist_ok=True)
        width, height = (round(scale * side) for side in image.size)
        image.resize((width, height), Image.Resampling.BICUBIC).save(target, quality=90)
    return sorted(root.rglob("*.jpg"))


def epoch(dataset: Dataset[Any]) -> float:
    """Seconds of one pass, from starting the workers to the last batch."""
    start = time.perf_counter()
    for _ in DataLoader(dataset, batch_size=BATCH, shuffle=True, num_workers=WORKERS):
        pass
    return time.perf_counter() - start


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    seconds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "images"
        root.mkdir()
        files = enlarged(root, options.images)
        for number in range(options.rounds):
            folder = ImageFolder(str(root), CUT)
            seconds.setdefault("torchvision's ImageFolder", []).append(epoch(folder))
            for kind in ("pixels", "jpeg"):
                store = ImageStore(files, root, STORED, open_image, kind, Path(name) / f"store-{kind}-{number}")
                seconds.setdefault(f"store of {kind}, first epoch", []).append(epoch(Stored(store)))
                seconds.setdefault(f"store of {kind}, later epochs", []).append(epoch(Stored(store)))
    whole = seconds["torchvision's ImageFolder"]
    print(
        f"{len(files)} images of {SIDE} pixels, {WORKERS} workers, {options.rounds} rounds, torch {torch.__version__}\n"
    )
    print("| epoch | s | times as fast |\n|---|--:|--:|")
    for what, found in seconds.items():
        ratio = statistics.median(a / b for a, b in zip(whole, found, strict=True))
        print(f"| {what} | {statistics.median(found):.1f} | {ratio:.1f} |")


if __name__ == "__main__":
    main()
