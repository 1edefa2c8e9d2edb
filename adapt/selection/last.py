"""The checkpoint of the end of training, whatever ends it, and the last validation that the rules see."""

from copy import deepcopy
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torch import Tensor

from adapt.selection.checkpoint_files import write_whole_files

State = dict[str, Tensor]

_TRAINED = "weights_before_the_end"


class LastCheckpoint(ModelCheckpoint):
    """Saves after each validation (each epoch, where there is none) and at the end of training, whatever ends it.

    The end is what other callbacks leave behind: averaged weights are validated and saved, and beside them what the
    training itself had reached, so that a continued run equals an uninterrupted one. It comes last of all callbacks.
    What changes weights later than `on_train_end` of the callbacks is saved, but no rule sees it.

    Lightning has no public hook for a validation at the end; the version in use is pinned below 2.7.

    Args:
        **kwargs: Arguments of `ModelCheckpoint`.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(save_top_k=1, enable_version_counter=False, save_on_train_epoch_end=False, **kwargs)
        self._loops: dict[str, Any] | None = None
        self._trained: State | None = None
        self._final: State | None = None
        self._validated_step: int | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write files whole, because the rules share theirs."""
        super().setup(trainer, pl_module, stage)
        self._loops = self._trained = self._final = self._validated_step = None
        if stage == "fit":
            write_whole_files(trainer)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Forget the end of the epoch before."""
        self._loops = self._trained = None

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save."""
        if not trainer.sanity_checking:
            self._validated_step = trainer.global_step
        super().on_validation_end(trainer, pl_module)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note where the loops stand; at the end of training also the weights, before callbacks change them."""
        loop = trainer.fit_loop
        self._loops = _at_epoch_end(loop.state_dict(), trainer.is_last_batch)
        # Asking whether it is done counts the epoch as completed, which what comes after would count again.
        progress = loop.epoch_progress.current
        completed, done = progress.completed, loop.done
        progress.completed = completed
        if done:
            self._trained = _copy(pl_module)
        if not trainer.enable_validation:
            self._save(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Validate what was not yet, for the rules, and save."""
        if _is_trial(trainer):
            return
        changed = trainer.strategy.reduce_boolean_decision(_differ(self._trained, _copy(pl_module)), all=False)
        if trainer.enable_validation and (changed or self._validated_step != trainer.global_step):
            for checkpoint in trainer.checkpoint_callbacks:
                # They would take this step as saved already; its weights are others now.
                if isinstance(checkpoint, ModelCheckpoint) and changed:
                    checkpoint._last_global_step_saved = -1
            _validate(trainer)
        self._save(trainer, again=changed)
        self._final = _copy(pl_module)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Save once more what was changed since, and the start of a training without a step."""
        if stage != "fit" or _is_trial(trainer):
            return
        if self._final is not None:
            self._save(trainer, again=_differ(self._final, _copy(pl_module)))
        elif trainer.ckpt_path is None:
            self._save(trainer, again=True)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Save where Lightning stops on a signal, which it does between two batches."""
        if not isinstance(exception, SIGTERMException) or _is_trial(trainer):
            return
        if trainer.world_size == 1:
            self._save(trainer)
        elif trainer.is_global_zero:
            # The others may have stopped at another batch: nothing that waits for them.
            checkpoint = trainer._checkpoint_connector.dump_checkpoint(weights_only=False)
            trainer.strategy.save_checkpoint(checkpoint, self.format_checkpoint_name({}))

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """After an epoch's end, put in how the loops stood there, and after training's the weights that it reached."""
        if self._loops is not None:
            checkpoint["loops"]["fit_loop"] = deepcopy(self._loops)
        if self._trained is not None and _differ(self._trained, checkpoint["state_dict"]):
            checkpoint[_TRAINED] = self._trained

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Continue from the weights that training had reached."""
        if trainer.state.fn == TrainerFn.FITTING and _TRAINED in checkpoint:
            pl_module.load_state_dict(checkpoint[_TRAINED])

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Nothing: the file's name is all that there is to know."""

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
    # Loggers count a validation with the batch that it follows, as Lightning's own do.
    loop._batches_that_stepped -= 1
    loop.val_loop.run()
    loop._batches_that_stepped += 1
    trainer.training = True


def _at_epoch_end(state: dict[str, Any], whole_epoch: bool) -> dict[str, Any]:
    """The loops' state for who continues: in the epoch still, after its last batch.

    A stop in mid-epoch counts the epoch as processed, and Lightning would begin the next one. After a whole epoch it
    goes on rightly, with a budget of steps and with one of epochs, from where the last batch is about to be counted.
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
    # What is not finite in both is no change.
    return one.shape == other.shape and bool(((one == other) | ((one != one) & (other != other))).all())
