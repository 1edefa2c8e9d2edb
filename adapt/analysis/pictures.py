"""The callback that draws a tested model's embedding and confusion matrix."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import WandbLogger
from matplotlib.figure import Figure
from torch import Tensor

from adapt.analysis.confusion import confusion_figure, confusion_matrix
from adapt.analysis.drawing import png_bytes
from adapt.analysis.embedding import embedding_figure, project
from adapt.encoding import SOURCE, TARGET, RandomShare, position_of, step_encoding
from adapt.errors import AdaptError
from adapt.processes import gather_rows, world

_DOMAINS = ("source", "target")


class Pictures(Callback):
    """Write an embedding of both domains and the target's confusion matrix during `test`.

    Expects `test_step` to return `features (N, d)` and `logits (N, K)`, and test loaders `[source, target]`, or
    `[target]` if the method is `source_free`. Writes `embedding.npz` (`xy_2d (N, 2)`, `y` with −1 for a sample without
    a label, `domain` with 0 = source and 1 = target, `class_names`), `confusion.npz` (`matrix (K, K)` of counts, one
    row per true class, and `class_names`; no such file without target labels) and a PNG of each, and logs both to
    Weights & Biases if it is on.

    Args:
        samples: Largest number of samples per domain in the embedding, drawn at random from the whole test set.
        directory: Folder of the files; by default the trainer's root directory.
        seed: Seed of the draw and the projection; the training's random numbers do not change.
        embedding: Whether to draw the embedding, the slower of the two.
    """

    def __init__(self, samples: int = 250, directory: str | None = None, seed: int = 0, embedding: bool = True) -> None:
        super().__init__()
        if samples < 1:
            raise AdaptError(f"Expected Pictures(samples=...) of at least 1, found {samples}.")
        self.samples, self.directory, self.seed, self.embedding = samples, directory, seed, embedding
        self._parts: dict[int, list[Tensor]] = {}
        self._clear()

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Clear the samples of an earlier test."""
        self._clear()

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keep a random share of the features, and count every prediction."""
        encoded = step_encoding(outputs, pl_module, dataloader_idx)
        if encoded is None:
            return
        domain, (features, logits) = encoded
        problem = getattr(pl_module, "problem", None)
        classes = getattr(problem, "probabilities", True)
        # Without classes all points have one colour.
        y = batch.y.detach().cpu() if classes else torch.zeros(len(features), dtype=torch.long)
        # Both domains draw from one generator, so the target's keys begin after those of all source samples.
        skipped = 0
        if world()[1] > 1 and not self._kept[domain].columns:
            skipped = position_of(trainer.test_dataloaders, dataloader_idx) - self._drawn
        self._kept[domain].add(features.cpu(), y, start=skipped)
        self._drawn += skipped + len(y)
        if not classes:
            return
        count = logits.shape[1]
        known = torch.ones(len(y), dtype=torch.bool) if problem is None else problem.has_label(y)
        counted = confusion_matrix(y[known].numpy(), logits.argmax(dim=1).cpu()[known].numpy(), count)
        self._confusion[domain] = self._confusion.get(domain, np.zeros_like(counted)) + counted

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the files and log the pictures, with the samples of all processes."""
        device = pl_module.device
        self._parts = {domain: columns for domain, k in self._kept.items() if (columns := k.of_all_processes(device))}
        for domain, counted in self._confusion.items():
            everyones = gather_rows(torch.from_numpy(counted)[None].to(device))
            self._confusion[domain] = everyones.sum(0).cpu().numpy()
        if not self._parts or not trainer.is_global_zero:
            return
        directory = Path(self.directory or trainer.default_root_dir)
        directory.mkdir(parents=True, exist_ok=True)
        figures = {}
        if self._confusion and self._confusion[max(self._confusion)].any():
            figures["confusion"] = self._write_confusion(directory, trainer)
        else:
            # Of an earlier test, when there were labels.
            for kind in ("npz", "png"):
                (directory / f"confusion.{kind}").unlink(missing_ok=True)
        if self.embedding:
            try:
                figures["embedding"] = self._write_embedding(directory, trainer)
            except AdaptError as error:
                warnings.warn(f"No embedding picture: {error}", stacklevel=2)
        for name, figure in figures.items():
            path = directory / f"{name}.png"
            path.write_bytes(png_bytes(figure))
            for logger in trainer.loggers:
                if isinstance(logger, WandbLogger):
                    logger.log_image(key=name, images=[str(path)])
        self._clear()

    def _clear(self) -> None:
        self._confusion: dict[int, np.ndarray[Any, np.dtype[np.int64]]] = {}
        generator = torch.Generator().manual_seed(self.seed)
        self._drawn = 0
        self._parts = {}
        self._kept = {domain: RandomShare(self.samples, generator) for domain in (SOURCE, TARGET)}

    def _write_embedding(self, directory: Path, trainer: Trainer) -> Figure:
        parts = self._parts
        features = torch.cat([features for features, _ in parts.values()]).numpy()
        y = torch.cat([y for _, y in parts.values()]).numpy()
        domain = np.concatenate([np.full(len(y), domain) for domain, (_, y) in parts.items()])
        xy = project(features, self.seed)
        names = self._class_names(trainer)
        np.savez_compressed(directory / "embedding.npz", xy_2d=xy, y=y, domain=domain, class_names=np.array(names))
        return embedding_figure(xy, y, domain, names, "Test features of both domains")

    def _write_confusion(self, directory: Path, trainer: Trainer) -> Figure:
        loader = max(self._confusion)
        matrix, names = self._confusion[loader], self._class_names(trainer)
        np.savez_compressed(directory / "confusion.npz", matrix=matrix, class_names=np.array(names))
        accuracy = matrix.trace() / max(matrix.sum(), 1)
        return confusion_figure(matrix, names, f"{_DOMAINS[min(loader, 1)].capitalize()} test: {100 * accuracy:.1f}%")

    def _class_names(self, trainer: Trainer) -> list[str]:
        if not self._confusion:
            return ["samples"]
        count = len(next(iter(self._confusion.values())))
        problem = getattr(trainer.lightning_module, "problem", None)
        known = getattr(getattr(trainer, "datamodule", None), "class_names", ())
        names = [str(name) for name in (known if problem is None else problem.answers)]
        return names if len(names) == count else [str(k) for k in range(count)]


def counted(directory: Path) -> tuple[int, int] | None:
    """How many target test samples were right, and of how many, from what `Pictures` wrote; None without classes.

    Args:
        directory: The run's folder.
    """
    try:
        with np.load(directory / "confusion.npz", allow_pickle=False) as file:
            matrix = file["matrix"]
    except (OSError, ValueError, KeyError):
        return None
    return (int(matrix.trace()), int(matrix.sum())) if matrix.ndim == 2 and matrix.sum() else None


def class_accuracies(directory: Path) -> dict[str, float | None] | None:
    """Target test accuracy by class, from the files of `Pictures`; None if there are no classes.

    Args:
        directory: The run's folder. A class without test samples has no accuracy.
    """
    path = directory / "confusion.npz"
    if not path.is_file():
        return None
    with np.load(path, allow_pickle=False) as file:
        matrix, names = file["matrix"], file["class_names"]
    totals = matrix.sum(axis=1)
    return {str(k): float(n / t) if t else None for k, n, t in zip(names, matrix.diagonal(), totals, strict=True)}
