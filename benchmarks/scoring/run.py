"""What scoring costs at a validation, as a share of the training epoch before it, on MNIST → USPS.

Source-only is trained, whose step is the cheapest: the share is the largest that a method can have. Per round, in turn:
the default scores, every score, and no score, with one checkpoint per rule each time.

    ADAPT_DATA=... python benchmarks/scoring/run.py --rounds 3
"""

import argparse
import csv
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer, seed_everything
from lightning.pytorch.loggers import CSVLogger

from adapt.backbones import LeNet
from adapt.data import Digits
from adapt.methods import SourceOnly
from adapt.selection import SCORES, Scores, selection_callbacks

HERE = Path(__file__).parent
KINDS = {"default": None, "every": list(SCORES), "none": []}


class TimedScores(Scores):
    """Adds up the seconds that the callback's hooks take."""

    seconds = 0.0

    def on_validation_batch_end(self, *args: Any, **kwargs: Any) -> None:
        start = time.perf_counter()
        super().on_validation_batch_end(*args, **kwargs)
        self.seconds += time.perf_counter() - start

    def on_validation_epoch_end(self, *args: Any, **kwargs: Any) -> None:
        start = time.perf_counter()
        super().on_validation_epoch_end(*args, **kwargs)
        self.seconds += time.perf_counter() - start


class Epoch(Callback):
    """Times the epoch's training up to its validation, and the whole epoch with validation and checkpoints."""

    def on_train_epoch_start(self, *_: Any) -> None:
        self.start = time.perf_counter()

    def on_validation_start(self, *_: Any) -> None:
        self.training = time.perf_counter() - self.start

    def on_train_end(self, *_: Any) -> None:
        self.whole = time.perf_counter() - self.start


def measure(names: list[str] | None) -> tuple[float, float, float]:
    """Seconds of one epoch's training, of scoring, and of the epoch with validation and checkpoints."""
    seed_everything(0, verbose=False)
    scores, epoch = TimedScores(names), Epoch()
    method = SourceOnly(problem=10, backbone=LeNet((1, 28, 28)), optimizer=lambda p: torch.optim.Adam(p, lr=1e-3))
    with tempfile.TemporaryDirectory() as directory:
        trainer = Trainer(
            max_epochs=1,
            accelerator="cpu",
            callbacks=[epoch, *selection_callbacks(Path(directory), scores=scores)],
            logger=CSVLogger(directory),
            num_sanity_val_steps=0,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(method, datamodule=Digits("mnist", "usps", batch_size=64))
    return epoch.training, scores.seconds, epoch.whole


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    rows = []
    for number in range(options.rounds):
        for kind, names in KINDS.items():
            training, scoring, whole = measure(names)
            row = {"round": number, "scores": kind, "training_s": training, "scoring_s": scoring, "whole_s": whole}
            rows.append(row | {"share": scoring / training})
            print({key: round(v, 3) if isinstance(v, float) else v for key, v in rows[-1].items()}, flush=True)
    with (HERE / "rounds.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows({k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()} for row in rows)
    lines = [
        "# Time of the scores at a validation, MNIST → USPS",
        "",
        f"Source-only, LeNet, 64 + 64 images, an epoch of MNIST; scores of up to 2000 samples per domain; "
        f"{torch.get_num_threads()} CPU threads, torch {torch.__version__}; medians of {options.rounds} rounds.",
        f"`ADAPT_DATA=... python benchmarks/scoring/run.py --rounds {options.rounds}`",
        "",
        "| scores | training an epoch, s | scoring, s | share of the epoch | range over rounds |",
        "|---|--:|--:|--:|---|",
    ]
    for kind, label in (("default", "default"), ("every", f"every one of {len(SCORES)}")):
        own = [row for row in rows if row["scores"] == kind]
        training, scoring, share = (
            statistics.median(float(row[key]) for row in own) for key in ("training_s", "scoring_s", "share")
        )
        low, high = (f"{100 * end(float(row['share']) for row in own):.1f} %" for end in (min, max))
        lines.append(f"| {label} | {training:.1f} | {scoring:.2f} | {100 * share:.1f} % | {low} to {high} |")
    (HERE / "README.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
