"""Lightning flags and callbacks that a run refuses, in addition to Lightning's own checks."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback
from lightning.pytorch.callbacks import BatchSizeFinder, EarlyStopping, LearningRateFinder, ModelCheckpoint
from lightning.pytorch.strategies import DDPStrategy

from adapt.errors import AdaptError
from adapt.problems import Problem
from adapt.selection.rules import rules_of

# Lightning divides by them, or treats smaller values as "off".
_SMALLEST = {
    "accumulate_grad_batches": 1,
    "check_val_every_n_epoch": 1,
    "gradient_clip_val": 0,
    "log_every_n_steps": 0,
}


def check_flags(flags: Any) -> None:
    """Refuse flags that would divide by zero, train nothing or save nothing.

    Args:
        flags: The trainer's arguments, as attributes.

    Raises:
        AdaptError: There is such a flag.
    """
    for name, smallest in _SMALLEST.items():
        value = getattr(flags, name)
        if value is not None and value < smallest:
            raise AdaptError(f"--trainer.{name} expects a number of at least {smallest}, found {value}.")
    if flags.val_check_interval == 0:
        raise AdaptError(
            "--trainer.val_check_interval expects steps or a share of an epoch above 0, found 0. "
            "--trainer.limit_val_batches 0 leaves validation out."
        )
    for name in ("max_epochs", "max_steps", "limit_train_batches"):
        if getattr(flags, name) == 0:
            raise AdaptError(f"--trainer.{name} expects at least one step of training, found 0: nothing would train.")
    if flags.barebones or flags.enable_checkpointing is False:
        name = "barebones true" if flags.barebones else "enable_checkpointing false"
        raise AdaptError(
            f"A run needs its checkpoints and its metrics, found --trainer.{name}, which leaves them out. "
            "Leave the flag out; --trainer.fast_dev_run true tries a run without saving anything."
        )


def check_strategy(strategy: Any, option: str) -> None:
    """Refuse processes that are spawned: they get the run as a copy by pickle, and a method holds functions.

    Args:
        strategy: The trainer's, a name or an object.
        option: What it is called where it was given.

    Raises:
        AdaptError: It spawns processes.
    """
    if isinstance(strategy, DDPStrategy):
        found = f"ddp_{strategy._start_method}"
    else:
        found = strategy if isinstance(strategy, str) else ""
    if "spawn" in found:
        raise AdaptError(
            f"{option} expects ddp, or ddp_notebook in a notebook, found {found}, which cannot copy a method to other "
            "processes."
        )


def check_callbacks(
    callbacks: Sequence[Callback], lr_scheduler: Any, knows_labels: bool, run_dir: Path, problem: Problem
) -> None:
    """Refuse callbacks that would make the run differ from its configuration, or watch a metric in the wrong direction.

    A user's own `ModelCheckpoint` without a folder gets a separate one, because the names in ours are taken.

    Args:
        callbacks: The user's callbacks.
        lr_scheduler: Builds the schedule, or None.
        knows_labels: Whether the method trains on all target labels.
        run_dir: The run's folder.
        problem: The problem; its metrics and scores have a direction.

    Raises:
        AdaptError: There is such a callback, or such a schedule.
    """
    for callback in callbacks:
        name = type(callback).__name__
        if isinstance(callback, BatchSizeFinder | LearningRateFinder):
            option = "--data.batch_size" if isinstance(callback, BatchSizeFinder) else "--model.optimizer.lr"
            raise AdaptError(f"{name} would train with another setting than config.yaml says. Give {option} instead.")
        if isinstance(callback, EarlyStopping | ModelCheckpoint):
            steers = isinstance(callback, EarlyStopping) and not knows_labels
            _check_monitor(name, callback.monitor, callback.mode, "--trainer.callbacks.mode", steers, problem)
        if isinstance(callback, ModelCheckpoint) and callback.dirpath is None:
            callback.dirpath = str(run_dir / "own_checkpoints")
    if isinstance(lr_scheduler, partial) and "monitor" in (given := lr_scheduler.keywords):
        mode = given.get("mode", "min")
        _check_monitor("The schedule", given["monitor"], mode, "--model.lr_scheduler.mode", not knows_labels, problem)


def _check_monitor(owner: str, monitor: str | None, mode: str, option: str, steers: bool, problem: Problem) -> None:
    if steers and monitor is not None and monitor.startswith("oracle/"):
        raise AdaptError(
            f"{owner} would let target labels steer the training: {monitor} is computed from them. "
            f"Watch for example val/source_{problem.headline}, or train longer and compare with the rule `oracle`."
        )
    better = next((looks.mode for looks in rules_of(problem).values() if looks and looks.metric == monitor), mode)
    if better != mode:
        which = "more" if better == "max" else "less"
        raise AdaptError(
            f"{owner} watches {monitor} with mode {mode!r}, but {which} is better. Give {option} {better}."
        )
