"""The callback that computes scores at validation, without target labels."""

from collections.abc import Sequence
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from adapt.encoding import SOURCE, TARGET, DomainEncoding, RandomShare, share_start, step_encoding
from adapt.errors import AdaptError
from adapt.problems import Classification, Problem
from adapt.selection.evaluation import DEFAULT_SCORES, SCORES, Samples, check_score_names, evaluate, scores_of
from adapt.selection.own import OWN, OwnScore, named


class Scores(Callback):
    """Compute scores without target labels at each validation, and log them as `val/<score>`.

    Expects `validation_step` to return `features (N, ...)` and `logits (N, K)`, and validation loaders `[source,
    target]`, or `[target]` if the method is `source_free`; scores that need the source are then left out. The labels in
    the target's batches are not read (only the oracle uses them).

    Every validation uses the same samples, so that checkpoints are compared on equal terms. The callback has its own
    random numbers. If a score is undefined at a validation, it is logged as NaN, and its rule never picks that
    checkpoint. With several processes the scores use the samples of all processes, up to `max_samples` per domain.

    Args:
        names: Keys of `adapt.selection.SCORES`; None for the cheap ones.
        max_samples: Largest number of samples per domain, drawn at random from its validation set. The cost of pairwise
            scores grows with its square.
        seed: Seed of the draw; the training's random numbers do not change.
        own: Scores of your own, each of which is a rule, too, and is logged as `val/own/<name>`.
    """

    def __init__(
        self,
        names: Sequence[str] | None = None,
        max_samples: int = 2000,
        seed: int = 0,
        own: Sequence[OwnScore] = (),
    ) -> None:
        super().__init__()
        if max_samples < 2:
            raise AdaptError(f"Expected Scores(max_samples=...) of at least 2, found {max_samples}.")
        self.names = check_score_names(DEFAULT_SCORES if names is None else names)
        self.own = named(own)
        self.max_samples, self.seed = max_samples, seed
        self._clear()

    def names_for(self, source_free: bool) -> tuple[str, ...]:
        """The scores of a run."""
        every = {**{name: SCORES[name] for name in self.names}, **self.own}
        return tuple(name for name, score in every.items() if not (source_free and score.needs_source))

    def own_of(self, problem: Problem) -> tuple[str, ...]:
        """Own scores that a problem has."""
        return tuple(name for name, score in self.own.items() if problem.probabilities or not score.needs_classes)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Clear the samples of an earlier validation."""
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
        """Keep a random share of the encodings, and the classes of the source."""
        encoded = step_encoding(outputs, pl_module, dataloader_idx)
        if trainer.sanity_checking or not (self.names or self.own) or encoded is None:
            return
        domain, encoding = encoded
        start = share_start(trainer.val_dataloaders, dataloader_idx)
        self._kept[domain].add(*encoding, *([batch.y] if domain == SOURCE else []), start=start)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Compute and log the scores, before the checkpoint callbacks read them."""
        source, target = (self._kept[domain].of_all_processes(pl_module.device) for domain in (SOURCE, TARGET))
        if not target:
            return
        problem = getattr(pl_module, "problem", None) or Classification(target[1].shape[1])
        known, names = scores_of(problem), self.names_for(getattr(pl_module, "source_free", False))
        own = {name: self.own[name] for name in self.own_of(problem) if name in names}
        values = evaluate(
            Samples(
                DomainEncoding(target[0], target[1], None),
                DomainEncoding(source[0], source[1], source[2]) if source else None,
            ),
            [name for name in names if name in known],
            own,
        )
        logged = {f"{OWN if name in own else 'val/'}{name}": value for name, value in values.items()}
        pl_module.log_dict(logged, sync_dist=trainer.world_size > 1)
        self._clear()

    def _clear(self) -> None:
        # One generator per domain, so that the draw from the target does not depend on the source.
        self._kept = [RandomShare(self.max_samples, torch.Generator().manual_seed(self.seed)) for _ in (SOURCE, TARGET)]
