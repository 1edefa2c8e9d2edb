"""One training run keeps the checkpoint that every rule would have picked."""

from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

RULES: dict[str, str | None] = {
    "last": None,
    "source_accuracy": "val/source_accuracy",
    "oracle": "oracle/target_accuracy",
}
"""Rule by name: the metric whose highest value it picks, None for the end of training."""

SOURCE_METRICS = ("val/source_accuracy",)
"""Metrics that only a run with source samples has."""

ORACLE_RULES = ("oracle",)
"""Rules that use target labels, and so cannot be used by anyone who has none."""


def checkpoint_path(run_dir: Path, rule: str) -> Path:
    """Where a run keeps the checkpoint of a rule."""
    return run_dir / "checkpoints" / f"{rule}.ckpt"


def selection_callbacks(run_dir: Path, source_free: bool = False) -> list[Callback]:
    """Callbacks that keep one checkpoint per rule of `RULES`; ties go to the earlier one.

    Args:
        run_dir: The run's folder.
        source_free: Whether the run has no source, by which no rule can then choose.
    """
    kept = [
        ModelCheckpoint(
            dirpath=run_dir / "checkpoints",
            filename=rule,
            monitor=metric,
            mode="max",
            save_top_k=1,
            enable_version_counter=False,
        )
        for rule, metric in RULES.items()
        if not (source_free and metric in SOURCE_METRICS)
    ]
    return [ValidateAtEnd(), *kept]


class ValidateAtEnd(Callback):
    """Validate after the last step also where the step budget is no multiple of the validation interval.

    Lightning ends at `max_steps` without validating, and the rules would never see the final weights.
    """

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Ask for the stop that `max_steps` is about to bring, because a stop on demand validates first."""
        if trainer.max_steps != -1 and trainer.global_step >= trainer.max_steps:
            trainer.should_stop = True
