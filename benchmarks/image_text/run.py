"""The tables of this folder, in one process: each training without validation, checkpoints or loggers.

python benchmarks/image_text/run.py anchors|unseen|fusion --data DATA --out results.csv [--seeds 0 1 2]
Rows that are in the file already are not run again.
"""

import argparse
import csv
import tempfile
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Trainer, seed_everything

from adapt.backbones import BagOfWords, FusionBackbone, Identity, SmallCNN
from adapt.data import DescribedDigits, DomainDataModule, Features, Unlabelled
from adapt.data.views import fetch
from adapt.layers import TextAnchors
from adapt.methods import DANN, MCC, MMD, SHOT, Method, SourceOnly, TargetOnly
from adapt.schedules import InverseDecay

QUIET: dict[str, Any] = {
    **{"max_epochs": -1, "accelerator": "cpu", "logger": False, "limit_val_batches": 0, "num_sanity_val_steps": 0},
    **{"enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False},
}
ADAM = {
    "optimizer": partial(torch.optim.Adam, lr=1e-3),
    "lr_scheduler": partial(InverseDecay, gamma=10.0, power=0.75, per="progress"),
}
PAIRS = [("photo", "art_painting"), ("cartoon", "photo"), ("art_painting", "cartoon"), ("sketch", "art_painting")]
CLASSES = ("dog", "elephant", "giraffe", "guitar", "horse", "house", "person")
FUSIONS = ("image", "text", "early", "late", "cross")
TARGETS = ("photo", "misheard", "reworded", "photo_misheard", "no_text", "no_image")


class Rows:
    """A table that grows, row by row."""

    def __init__(self, path: Path, columns: list[str]) -> None:
        self.path, self.columns = path, columns
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._write(columns, "w")
        with path.open(newline="") as file:
            self.known = {tuple(row[:-1]) for row in csv.reader(file)}

    def has(self, *key: Any) -> bool:
        return tuple(map(str, key)) in self.known

    def add(self, *row: Any) -> None:
        self._write(row, "a")
        print(*row, flush=True)

    def _write(self, row: Any, mode: str) -> None:
        with self.path.open(mode, newline="") as file:
            csv.writer(file, lineterminator="\n").writerow(row)


def train(method: Method, data: DomainDataModule, steps: int) -> Trainer:
    trainer = Trainer(max_steps=steps, **QUIET)
    trainer.fit(method, datamodule=data)
    return trainer


@torch.no_grad()
def predicted(method: Method, data: DomainDataModule, name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Predictions and labels of a domain's test set."""
    method.eval()
    dataset: Any = data.domain_samples(name, "test")
    found, labels = [], []
    for at in torch.arange(len(dataset)).split(512):
        x, y = fetch(dataset, at.tolist())
        batch: Any = data.on_before_batch_transfer(Unlabelled(x, at), 0)
        found.append(method(data.on_after_batch_transfer(batch, 0).x).logits.argmax(1))
        labels.append(y.y)
    return torch.cat(found), torch.cat(labels)


def accuracy(method: Method, data: DomainDataModule, name: str) -> float:
    found, y = predicted(method, data, name)
    return 100 * float((found == y).float().mean())


def anchors(rows: Rows, data_root: str, seeds: list[int], pairs: int) -> None:
    """PACS features: a linear head beside the embedded class names, under four methods."""
    for source, target in PAIRS[:pairs]:
        for seed in seeds:
            for head in ("linear", "anchors"):
                start = Path(tempfile.gettempdir(), f"start-{head}-{seed}.ckpt")
                for cls in (SourceOnly, MCC, DANN, SHOT, TargetOnly):
                    key = (source, target, cls.__name__, head, seed)
                    if cls is TargetOnly and head == "anchors":
                        continue
                    if rows.has(*key) and cls is not SourceOnly:
                        continue
                    seed_everything(seed, verbose=False)
                    options: dict[str, Any] = {"source_free": True} if cls is SHOT else {}
                    options |= {"shots": "all"} if cls is TargetOnly else {}
                    data = Features(
                        source,
                        target,
                        root=data_root,
                        folder="pacs_features",
                        transductive=True,
                        batch_size=64,
                        **options,
                    )
                    kept: dict[str, Any] = {"init_from": str(start)} if cls is SHOT else {}
                    if head == "anchors":
                        kept["anchors"] = TextAnchors("weights/minilm")
                    method = cls(problem=data.problem, backbone=Identity((1280,)), bottleneck=256, **ADAM, **kept)
                    trainer = train(method, data, 300)
                    if cls is SourceOnly:
                        trainer.save_checkpoint(start)
                    if not rows.has(*key):
                        rows.add(*key, round(accuracy(method, data, target), 2))


def unseen(rows: Rows, data_root: str, seeds: list[int], pairs: int) -> None:
    """PACS features: each class in turn without a labelled image."""
    for source, target in PAIRS[:pairs]:
        for seed in seeds:
            for cls in (SourceOnly, MCC):
                for head, margin in (("linear", 0.0), ("anchors", 0.0), ("anchors", 0.5)):
                    for left_out in CLASSES:
                        key = (source, target, cls.__name__, head, margin, left_out, seed)
                        if rows.has(*key, "unseen") or (cls is MCC and margin == 0 and head == "anchors"):
                            continue
                        seed_everything(seed, verbose=False)
                        data = Features(
                            source,
                            target,
                            root=data_root,
                            folder="pacs_features",
                            transductive=True,
                            batch_size=64,
                            unseen_classes=[left_out],
                        )
                        given = TextAnchors("weights/minilm", temperature=0.2, calibration=margin)
                        kept: dict[str, Any] = {"anchors": given} if head == "anchors" else {}
                        method = cls(problem=data.problem, backbone=Identity((1280,)), **ADAM, **kept)
                        train(method, data, 300)
                        found, y = predicted(method, data, target)
                        right, last = (found == y).float(), y == len(CLASSES) - 1
                        each = [float(right[y == k].mean()) for k in range(len(CLASSES) - 1)]
                        rows.add(*key, "unseen", round(100 * float(right[last].mean()), 2))
                        rows.add(*key, "seen", round(100 * sum(each) / len(each), 2))


def fusion(rows: Rows, data_root: str, seeds: list[int], pairs: int) -> None:
    """Described digits: one source-only training for each fusion, measured on every shift; then MMD on three."""

    def network(how: str, dropped: float) -> FusionBackbone:
        image, text = SmallCNN((3, 16, 16), width=16, grid=2), BagOfWords(width=32)
        return FusionBackbone(image, text, how, width=64, modality_dropout=dropped)  # type: ignore[arg-type]

    for seed in seeds:
        for how in FUSIONS:
            for dropped in (0.0, 0.3) if how not in ("image", "text") else (0.0,):
                if rows.has("SourceOnly", how, dropped, TARGETS[-1], seed):
                    continue
                seed_everything(seed, verbose=False)
                data = DescribedDigits("clean", "photo", batch_size=64)
                method: Method = SourceOnly(problem=data.problem, backbone=network(how, dropped), **ADAM)
                train(method, data, 300)
                for name in ("clean", *TARGETS):
                    if not rows.has("SourceOnly", how, dropped, name, seed):
                        rows.add("SourceOnly", how, dropped, name, seed, round(accuracy(method, data, name), 2))
    for seed in seeds:
        for target in ("photo", "misheard", "photo_misheard"):
            for how in FUSIONS:
                if rows.has("MMD", how, 0.0, target, seed):
                    continue
                seed_everything(seed, verbose=False)
                data = DescribedDigits("clean", target, batch_size=64)
                method = MMD(problem=data.problem, backbone=network(how, 0.0), **ADAM)
                train(method, data, 300)
                rows.add("MMD", how, 0.0, target, seed, round(accuracy(method, data, target), 2))


TABLES: dict[str, tuple[Any, list[str]]] = {
    "anchors": (anchors, ["source", "target", "method", "head", "seed", "accuracy"]),
    "unseen": (unseen, ["source", "target", "method", "head", "margin", "left_out", "seed", "of", "accuracy"]),
    "fusion": (fusion, ["method", "fusion", "modality_dropout", "target", "seed", "accuracy"]),
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("table", choices=TABLES)
    parser.add_argument("--data", default=".")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--pairs", type=int, default=len(PAIRS))
    given = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    make, columns = TABLES[given.table]
    make(Rows(given.out, columns), given.data, given.seeds, given.pairs)


if __name__ == "__main__":
    main()
