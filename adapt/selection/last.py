"""The checkpoint at the end of training, however it ends, and the last validation for the rules."""

from copy import deepcopy
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torch import Tensor

from adapt.hooks import skip_empty_hooks
from adapt.selection.checkpoint_files import write_whole_files

State = dict[str, Tensor]

_TRAINED = "weights_before_the_end"


class LastCheckpoint(ModelCheckpoint):
    """Save after each validation (each epoch, without validation) and at the end of training, however it ends.

    The final weights are those after all other callbacks: averaged weights are validated and saved. The training's own
    weights are saved too, so that a continued run equals an uninterrupted one. This callback runs last. Changes after
    the callbacks' `on_train_end` are saved, but no rule sees them.

    Lightning has no public hook for a validation at the end; the version in use is pinned below 2.7.

    Args:
        **kwargs: Arguments of `ModelCheckpoint`.
    """

    # Lightning's own saves every few steps where it is told to. This one never is.
    on_train_batch_end = Callback.on_train_batch_end

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(save_top_k=1, enable_version_counter=False, save_on_train_epoch_end=False, **kwargs)
        self._loops: dict[str, Any] | None = None
        self._trained: State | None = None
        self._final: State | None = None
        self._validated_step: int | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write files in one step, because the rules share files, and let the rules cost nothing in a batch."""
        super().setup(trainer, pl_module, stage)
        skip_empty_hooks(trainer)
        self._loops = self._trained = self._final = self._validated_step = None
        if stage == "fit":
            write_whole_files(trainer)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Clear the state of the previous epoch's end."""
        self._loops = self._trained = None

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save."""
        if not trainer.sanity_checking:
            self._validated_step = trainer.global_step
        super().on_validation_end(trainer, pl_module)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Store the loops' state; at the end of training also the weights, before callbacks change them."""
        loop = trainer.fit_loop
        self._loops = _at_epoch_end(loop.state_dict(), trainer.is_last_batch)
        # Reading `done` counts the epoch as completed, and the code after it would count it again.
        progress = loop.epoch_progress.current
        completed, done = progress.completed, loop.done
        progress.completed = completed
        if done:
            self._trained = _copy(pl_module)
        if not trainer.enable_validation:
            self._save(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Validate once more for the rules if the last weights were not validated, and save."""
        if _is_trial(trainer):
            return
        changed = trainer.strategy.reduce_boolean_decision(_differ(self._trained, _copy(pl_module)), all=False)
        if trainer.enable_validation and (changed or self._validated_step != trainer.global_step):
            for checkpoint in trainer.checkpoint_callbacks:
                # Otherwise they would skip this step as already saved, but its weights have changed.
                if isinstance(checkpoint, ModelCheckpoint) and changed:
                    checkpoint._last_global_step_saved = -1
            _validate(trainer)
        self._save(trainer, again=changed)
        self._final = _copy(pl_module)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Save again if the weights changed since, or if the training took no step."""
        if stage != "fit" or _is_trial(trainer):
            return
        if self._final is not None:
            self._save(trainer, again=_differ(self._final, _copy(pl_module)))
        elif trainer.ckpt_path is None:
            self._save(trainer, again=True)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Save when Lightning stops on a signal, which happens between two batches."""
        if not isinstance(exception, SIGTERMException) or _is_trial(trainer):
            return
        if trainer.world_size == 1:
            self._save(trainer)
        elif trainer.is_global_zero:
            # Other processes may have stopped at another batch, so do not wait for them.
            checkpoint = trainer._checkpoint_connector.dump_checkpoint(weights_only=False)
            trainer.strategy.save_checkpoint(checkpoint, self.format_checkpoint_name({}))

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Save the loops' state from the epoch's end, and after training the training's own weights."""
        if self._loops is not None:
            checkpoint["loops"]["fit_loop"] = deepcopy(self._loops)
        if self._trained is not None and _differ(self._trained, checkpoint["state_dict"]):
            checkpoint[_TRAINED] = self._trained

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Continue from the training's own weights."""
        if trainer.state.fn == TrainerFn.FITTING and _TRAINED in checkpoint:
            pl_module.load_state_dict(checkpoint[_TRAINED])

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Empty: the file name is enough."""

    def _save(self, trainer: Trainer, again: bool = False) -> None:
        if _is_trial(trainer) or (self._last_global_step_saved == trainer.global_step and not again):
            return
        path = self.format_checkpoint_name({})
        self.best_model_path = path
        self._save_checkpoint(trainer, path)


def _is_trial(trainer: Trainer) -> bool:
    return bool(getattr(trainer, "fast_dev_run", False))  # Lightning sets it without declaring it


def _validate(trainer: Trainer) -> None:
    loop = trainer.fit_loop.epoch_loop
    trainer.validating = True
    # Log a validation at the step of the batch before it, as Lightning does.
    loop._batches_that_stepped -= 1
    loop.val_loop.run()
    loop._batches_that_stepped += 1
    trainer.training = True


def _at_epoch_end(state: dict[str, Any], whole_epoch: bool) -> dict[str, Any]:
    """The loops' state for a continued run: still inside the epoch, after its last batch.

    A stop inside an epoch counts the epoch as processed, and Lightning would begin the next one. After a whole epoch it
    continues correctly from the point before the last batch is counted, with max_steps and with max_epochs.
    """
    found = deepcopy(state)
    for counts in found["epoch_progress"].values():
        counts["processed"] -= 1
    if whole_epoch:
        for name in ("total", "current"):
            found["epoch_loop.batch_progress"][name]["completed"] -= 1
        found["epoch_loop.state_dict"]["_batches_that_stepped"] -= 1
    return found


def _copy(module: LightningModule) -> State:
    return {name: value.detach().to("cpu", copy=True) for name, value in module.state_dict().items()}


def _differ(one: State | None, other: State) -> bool:
    if one is None:
        return False
    same = one.keys() == other.keys() and all(_equal(value, other[name]) for name, value in one.items())
    return not same


def _equal(one: Tensor, other: Tensor) -> bool:
    other = other.to(one.device)
    # Values that are not finite in both count as equal.
    return one.shape == other.shape and bool(((one == other) | ((one != one) & (other != other))).all())
