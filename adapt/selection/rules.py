"""One training run keeps the checkpoint that every rule would have picked."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, NamedTuple
from weakref import proxy

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor

from adapt.measures import Measure
from adapt.problems import Classification, Problem
from adapt.selection.callback import Scores
from adapt.selection.checkpoint_files import WholeFiles, share_file
from adapt.selection.evaluation import SCORES, scores_of
from adapt.selection.last import LastCheckpoint

RULES: dict[str, str | None] = {
    "last": None,
    "source_accuracy": "val/source_accuracy",
    **{name: f"val/{name}" for name in SCORES},
    "oracle": "oracle/target_accuracy",
}
"""Rule by name, for classification: the metric whose highest value it picks, None for the end of training."""

ORACLE_RULES = ("oracle",)
"""Rules that use target labels, and so cannot be used by anyone who has none."""


def checkpoint_path(run_dir: Path, rule: str) -> Path:
    """Where a run keeps the checkpoint of a rule."""
    return run_dir / "checkpoints" / f"{rule}.ckpt"


class Monitored(NamedTuple):
    """What a rule looks at.

    Attributes:
        metric: The logged metric.
        mode: Whether its highest (`max`) or its lowest value (`min`) is picked.
    """

    metric: str
    mode: Literal["max", "min"]


def rules_of(problem: Problem) -> dict[str, Monitored | None]:
    """Rule by name for a problem: `last`, the headline on the source, the scores that it has, and the oracle.

    Args:
        problem: What is predicted; its headline names the rule on the source, such as `source_accuracy`.
    """
    return rules_by(problem.measures()[0], scores_of(problem))


def rules_by(headline: Measure, scores: Iterable[str] = SCORES) -> dict[str, Monitored | None]:
    """Rule by name for whatever problem has this headline.

    Args:
        headline: The metric that validation logs on both domains.
        scores: The scores that there may be.
    """
    mode: Literal["max", "min"] = "max" if headline.higher else "min"
    return {
        "last": None,
        f"source_{headline.name}": Monitored(f"val/source_{headline.name}", mode),
        **{name: Monitored(f"val/{name}", "max") for name in scores},
        "oracle": Monitored(f"oracle/target_{headline.name}", mode),
    }


def selection_callbacks(
    run_dir: Path, source_free: bool = False, scores: Scores | None = None, problem: Problem | None = None
) -> list[Callback]:
    """Callbacks that keep one checkpoint per rule; ties go to the earlier one.

    Args:
        run_dir: The run's folder.
        source_free: Whether the run has no source, by which no rule can then choose.
        scores: What computes scores, each of which is a rule, and comes with the callbacks; None for none.
        problem: What is predicted; classification when None.
    """
    problem = problem or Classification(2)
    rules = rules_of(problem)
    chosen = [] if source_free else [f"source_{problem.headline}"]
    chosen += [name for name in (scores.names_for(source_free) if scores else ()) if name in rules]
    best = [
        (OracleCheckpoint if rule in ORACLE_RULES else BestCheckpoint)(
            dirpath=run_dir / "checkpoints",
            filename=rule,
            monitor=monitored.metric,
            mode=monitored.mode,
            save_top_k=1,
            enable_version_counter=False,
            save_on_train_epoch_end=False,  # after every validation, the one at the end of training too
        )
        for rule in [*chosen, "oracle"]
        if (monitored := rules[rule]) is not None
    ]
    # Saved after the others, because a run continues from it, with what they have picked so far.
    last = LastCheckpoint(dirpath=run_dir / "checkpoints", filename="last")
    return [*([scores] if scores else []), *best, last]


class BestCheckpoint(ModelCheckpoint):
    """The checkpoint with the best metric, which shares its file with other rules that pick the same step.

    An undefined metric is never the best, not even where it is the first.
    """

    _continues = False

    def check_monitor_top_k(self, trainer: Trainer, current: Tensor | None = None) -> bool:
        """Whether the metric is the best so far."""
        return current is not None and bool(torch.isfinite(current)) and super().check_monitor_top_k(trainer, current)

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Note whether the run goes on in its own folder, wherever that lies by now."""
        start = Path(str(trainer.ckpt_path)).resolve()
        self._continues = start.parent == Path(str(self.dirpath)).resolve()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Know what was picked so far, also where the folder was moved since; in another folder pick anew."""
        path, score = self.format_checkpoint_name({}), state_dict["best_model_score"]
        if self._continues and score is not None and Path(path).is_file():
            here = {"dirpath": self.dirpath, "best_model_path": path, "kth_best_model_path": path}
            super().load_state_dict(state_dict | here | {"best_k_models": {path: score}})

    def _save_checkpoint(self, trainer: Trainer, filepath: str) -> None:
        # A dozen rules would otherwise write the same weights a dozen times. Our files are replaced and never written
        # into, so that the old one stays with its other names; of another plugin nobody knows.
        # Lightning has no public hook for it; the version in use is pinned below 2.7.
        others = [c for c in trainer.checkpoint_callbacks if isinstance(c, BestCheckpoint) and c is not self]
        saved_now = [c._last_checkpoint_saved for c in others if c._last_global_step_saved == trainer.global_step]
        twin = next((path for path in saved_now if Path(path).is_file()), None)
        if twin is None or not isinstance(trainer.strategy.checkpoint_io, WholeFiles):
            super()._save_checkpoint(trainer, filepath)
            return
        if trainer.is_global_zero:
            share_file(Path(twin), Path(filepath))
        trainer.strategy.barrier()
        self._last_global_step_saved = trainer.global_step
        self._last_checkpoint_saved = filepath
        for logger in trainer.loggers if trainer.is_global_zero else ():
            logger.after_save_checkpoint(proxy(self))


class OracleCheckpoint(BestCheckpoint):
    """The oracle's checkpoint; none where the target has no labels, of which the metric would be."""

    def _save_topk_checkpoint(self, trainer: Trainer, monitor_candidates: dict[str, Tensor]) -> None:
        # Lightning takes a metric that is missing for a mistake.
        if self.monitor in monitor_candidates:
            super()._save_topk_checkpoint(trainer, monitor_candidates)
