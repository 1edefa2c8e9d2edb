"""The callback that estimates the target's accuracy at tests, from its inputs alone."""

import math
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from adapt.encoding import SOURCE, TARGET, DomainEncoding, RandomShare, share_start, step_encoding
from adapt.errors import AdaptError
from adapt.estimation.evaluation import estimate
from adapt.selection import Samples

PREFIX = "estimate/"


class Estimates(Callback):
    """At each test of a classifier estimates the target's accuracy, and logs it as `estimate/<name>`.

    Expects `test_step` to return `features (N, ...)` and `logits (N, K)`, and test loaders `[source, target]`. The
    labels of the target's batches are not read; those of the source, held out from training, are. Without a source
    there is no estimate.

    Args:
        max_samples: Most samples of each domain that estimates are computed from, drawn at random from its test set.
        seed: Seeds the draw.
    """

    def __init__(self, max_samples: int = 2000, seed: int = 0) -> None:
        super().__init__()
        if max_samples < 2:
            raise AdaptError(f"Expected Estimates(max_samples=...) of at least 2, found {max_samples}.")
        self.max_samples, self.seed = max_samples, seed
        self._clear()

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget what an earlier test left."""
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
        """Keep a random share of the encodings, and of the source the classes."""
        problem = getattr(pl_module, "problem", None)
        encoded = step_encoding(outputs, pl_module, dataloader_idx)
        if encoded is None or not getattr(problem, "estimable", False):
            return
        domain, encoding = encoded
        start = share_start(trainer.test_dataloaders, dataloader_idx)
        self._kept[domain].add(*encoding, *([batch.y] if domain == SOURCE else []), start=start)

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Compute and log the estimates."""
        source, target = (self._kept[domain].of_all_processes(pl_module.device) for domain in (SOURCE, TARGET))
        self._clear()
        if not source or not target:
            return
        samples = Samples(DomainEncoding(target[0], target[1], None), DomainEncoding(source[0], source[1], source[2]))
        found = {f"{PREFIX}{name}": value for name, value in estimate(samples).items() if math.isfinite(value)}
        pl_module.log_dict(found, sync_dist=trainer.world_size > 1)

    def _clear(self) -> None:
        self._kept = [RandomShare(self.max_samples, torch.Generator().manual_seed(self.seed)) for _ in (SOURCE, TARGET)]
