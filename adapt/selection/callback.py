"""The callback that computes scores at validation, from the target's inputs alone."""

from collections.abc import Sequence
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from adapt.encoding import SOURCE, TARGET, DomainEncoding, RandomShare, step_encoding
from adapt.errors import AdaptError
from adapt.problems import Classification
from adapt.selection.evaluation import DEFAULT_SCORES, SCORES, Samples, check_score_names, evaluate, scores_of


class Scores(Callback):
    """At each validation computes scores that need no target label, and logs them as `val/<score>`.

    Expects `validation_step` to return `features (N, ...)` and `logits (N, K)`, and validation loaders `[source,
    target]`, or `[target]` of a method that is `source_free`, which then lacks the scores that need the source. The
    labels in the target's batches, which the oracle is made of, are not read.

    Every validation sees the same samples, so that checkpoints are compared on equal terms, and no random number but
    the callback's own is drawn. A score that is undefined at a validation is logged as NaN, and its rule picks another.
    With several processes the scores are those of all their samples, up to `max_samples` per domain.

    Args:
        names: Keys of `adapt.selection.SCORES`; None for those that cost little.
        max_samples: Most samples of each domain that scores are computed from, drawn at random from its validation
            set: pairwise scores grow with its square.
        seed: Seeds the draw, apart from the training's random numbers.
    """

    def __init__(self, names: Sequence[str] | None = None, max_samples: int = 2000, seed: int = 0) -> None:
        super().__init__()
        if max_samples < 2:
            raise AdaptError(f"Expected Scores(max_samples=...) of at least 2, found {max_samples}.")
        self.names = check_score_names(DEFAULT_SCORES if names is None else names)
        self.max_samples, self.seed = max_samples, seed
        self._clear()

    def names_for(self, source_free: bool) -> tuple[str, ...]:
        """The scores that a run has."""
        return tuple(name for name in self.names if not (source_free and SCORES[name].needs_source))

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget what an earlier validation left."""
        self._clear()

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keep a random share of the encodings, and of the source the classes."""
        encoded = step_encoding(outputs, pl_module, dataloader_idx)
        if trainer.sanity_checking or not self.names or encoded is None:
            return
        domain, encoding = encoded
        self._kept[domain].add(*encoding, *([batch.y] if domain == SOURCE else []))

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Compute and log the scores, before the checkpoints look at them."""
        source, target = (self._kept[domain].of_all_processes(pl_module.device) for domain in (SOURCE, TARGET))
        if not target:
            return
        known = scores_of(getattr(pl_module, "problem", None) or Classification(target[1].shape[1]))
        values = evaluate(
            Samples(
                DomainEncoding(target[0], target[1], None),
                DomainEncoding(source[0], source[1], source[2]) if source else None,
            ),
            [name for name in self.names_for(getattr(pl_module, "source_free", False)) if name in known],
        )
        pl_module.log_dict({f"val/{name}": value for name, value in values.items()}, sync_dist=trainer.world_size > 1)
        self._clear()

    def _clear(self) -> None:
        # A generator for each domain, so that the draw from the target does not depend on the source.
        self._kept = [RandomShare(self.max_samples, torch.Generator().manual_seed(self.seed)) for _ in (SOURCE, TARGET)]
