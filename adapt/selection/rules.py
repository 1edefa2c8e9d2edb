"""One training run keeps one checkpoint per selection rule."""

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
from adapt.selection.own import OWN

RULES: dict[str, str | None] = {
    "last": None,
    "source_accuracy": "val/source_accuracy",
    **{name: f"val/{name}" for name in SCORES},
    "oracle": "oracle/target_accuracy",
}
"""Rules for classification: name and the metric to maximise; None for the end of training."""

ORACLE_RULES = ("oracle",)
"""Rules that use target labels, so they cannot be used without them."""


def checkpoint_path(run_dir: Path, rule: str) -> Path:
    """The path of a rule's checkpoint in a run."""
    return run_dir / "checkpoints" / f"{rule}.ckpt"


class Monitored(NamedTuple):
    """The metric of a rule, and its direction.

    Attributes:
        metric: The logged metric.
        mode: Whether the rule picks the highest (`max`) or the lowest (`min`) value.
    """

    metric: str
    mode: Literal["max", "min"]


def rules_of(problem: Problem, scores: Scores | None = None) -> dict[str, Monitored | None]:
    """The rules of a problem by name: `last`, the headline on the source, the problem's scores, and the oracle.

    Args:
        problem: What is predicted; its headline names the rule on the source, such as `source_accuracy`.
        scores: The run's callback, whose own scores are rules, too.
    """
    return rules_by(problem.measures()[0], scores_of(problem), () if scores is None else scores.own_of(problem))


def rules_by(headline: Measure, scores: Iterable[str] = SCORES, own: Iterable[str] = ()) -> dict[str, Monitored | None]:
    """The rules of any problem with this headline, by name.

    Args:
        headline: The metric that validation logs on both domains.
        scores: The possible scores.
        own: Names of a person's own scores.
    """
    mode: Literal["max", "min"] = "max" if headline.higher else "min"
    return {
        "last": None,
        f"source_{headline.name}": Monitored(f"val/source_{headline.name}", mode),
        **{name: Monitored(f"val/{name}", "max") for name in scores},
        **{name: Monitored(f"{OWN}{name}", "max") for name in own},
        "oracle": Monitored(f"oracle/target_{headline.name}", mode),
    }


def selection_callbacks(
    run_dir: Path, source_free: bool = False, scores: Scores | None = None, problem: Problem | None = None
) -> list[Callback]:
    """Callbacks that keep one checkpoint per rule; ties go to the earlier one.

    Args:
        run_dir: The run's folder.
        source_free: Whether the run has no source; then no rule can use it.
        scores: Callback that computes scores; each score is a rule. It is returned with the others; None for no scores.
        problem: What is predicted; classification when None.
    """
    problem = problem or Classification(2)
    rules = rules_of(problem, scores)
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
            save_on_train_epoch_end=False,  # after every validation, also the one at the end of training
        )
        for rule in [*chosen, "oracle"]
        if (monitored := rules[rule]) is not None
    ]
    # Saved last: a run continues from it, so it must know what the others have picked.
    last = LastCheckpoint(dirpath=run_dir / "checkpoints", filename="last")
    return [*([scores] if scores else []), *best, last]


class BestCheckpoint(ModelCheckpoint):
    """The checkpoint with the best metric; rules that pick the same step share one file.

    An undefined metric is never the best, even if it is the first.
    """

    # Lightning's own saves every few steps where it is told to. This one never is.
    on_train_batch_end = Callback.on_train_batch_end

    _continues = False

    def check_monitor_top_k(self, trainer: Trainer, current: Tensor | None = None) -> bool:
        """Whether the metric is the best so far."""
        return current is not None and bool(torch.isfinite(current)) and super().check_monitor_top_k(trainer, current)

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Note whether the run continues in its own folder, even if the folder was moved."""
        start = Path(str(trainer.ckpt_path)).resolve()
        self._continues = start.parent == Path(str(self.dirpath)).resolve()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what was picked so far, also if the folder was moved; in another folder start again."""
        path, score = self.format_checkpoint_name({}), state_dict["best_model_score"]
        if self._continues and score is not None and Path(path).is_file():
            here = {"dirpath": self.dirpath, "best_model_path": path, "kth_best_model_path": path}
            super().load_state_dict(state_dict | here | {"best_k_models": {path: score}})

    def _save_checkpoint(self, trainer: Trainer, filepath: str) -> None:
        # Otherwise a dozen rules would write the same weights a dozen times. Our plugin replaces files and never writes
        # into them, so an old file survives under its other names. Other plugins may not do this.
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
