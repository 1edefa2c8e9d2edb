"""Store random numbers and the place in the epoch, so that a continued run equals an uninterrupted one bit for bit."""

import random
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import GradientAccumulationScheduler


def random_state() -> dict[str, Any]:
    """The state of torch's, NumPy's and Python's generators, as values that `weights_only` loading allows."""
    version, numbers, gauss = random.getstate()
    state: dict[str, Any] = {"torch": torch.get_rng_state(), "python": [version, list(numbers), gauss]}
    legacy: Any = np.random.get_state()  # noqa: NPY002  # the generator that other code may draw from
    _, keys, position, has_gauss, cached = legacy
    state["numpy"] = [keys.tolist(), position, has_gauss, cached]
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def set_random_state(state: dict[str, Any]) -> None:
    """Restore a state from `random_state`."""
    version, numbers, gauss = state["python"]
    random.setstate((version, tuple(numbers), gauss))
    if "numpy" in state:  # checkpoints of earlier versions have none
        keys, position, has_gauss, cached = state["numpy"]
        np.random.set_state(("MT19937", np.array(keys, dtype=np.uint32), position, has_gauss, cached))  # noqa: NPY002
    torch.set_rng_state(state["torch"].cpu())
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"].cpu())


class ExactContinuation(Callback):
    """Stores the state of the random numbers and the epoch's length in checkpoints, and restores them.

    So it does with the gradient of the batches since the last step, where `accumulate_grad_batches` waits for more of
    them. With several processes it does not: each has its own, and a file has that of one.

    Every method adds it in `configure_callbacks`, so a trainer in a script also continues exactly.
    """

    def __init__(self) -> None:
        self._kept: dict[str, Any] = {}

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Add them to the checkpoint."""
        kept = {"random_state": random_state(), "batches_per_epoch": _epoch_length(trainer)}
        if _waits_for_batches(trainer, pl_module):
            kept["gradients"] = {n: p.grad.clone() for n, p in pl_module.named_parameters() if p.grad is not None}
        checkpoint.setdefault("adapt", {}).update(kept)

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Read them, and keep them until training starts."""
        self._kept = checkpoint.get("adapt", {})

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Restore the random numbers, when nothing else draws from them, and the run's place in the epoch.

        Another number of processes or another batch size changes the epoch's length.
        """
        kept, self._kept = self._kept, {}
        # A schedule that asks how long the training is has the loaders built before the checkpoint's place is known.
        trainer.fit_loop._load_combined_loader_states()
        if trainer.ckpt_path is not None:
            for callback in trainer.callbacks:  # type: ignore[attr-defined]  # a part of the trainer sets it
                # Lightning asks it where an epoch begins, and a continued run may be inside one.
                if isinstance(callback, GradientAccumulationScheduler):
                    callback.on_train_epoch_start(trainer, pl_module)
        if trainer.ckpt_path is None or "random_state" not in kept:
            return
        set_random_state(kept["random_state"])
        gradients = kept.get("gradients", {}) if trainer.world_size == 1 else {}
        for name, parameter in pl_module.named_parameters():
            if name in gradients:
                parameter.grad = gradients[name].to(parameter.device, parameter.dtype)
        then, now = kept.get("batches_per_epoch", 0), _epoch_length(trainer)
        if then and now and then != now:
            current = trainer.fit_loop.epoch_loop.batch_progress.current
            for name in ("ready", "started", "processed", "completed"):
                setattr(current, name, getattr(current, name) * now // then)
            combined: Any = trainer.fit_loop._combined_loader
            for order in (loader.order for loader in combined.flattened if hasattr(loader, "order")):
                order.first_batch = order.first_batch * now // then


def _epoch_length(trainer: Trainer) -> int:
    """Batches per epoch; 0 if not known."""
    return 0 if trainer.num_training_batches == float("inf") else int(trainer.num_training_batches)


def _waits_for_batches(trainer: Trainer, pl_module: LightningModule) -> bool:
    """Whether the parameters hold the gradient of a part of the batches that the next step is over."""
    ready = trainer.fit_loop.epoch_loop.batch_progress.current.ready
    ends_epoch = trainer.is_last_batch or ready == trainer.num_training_batches
    inside = ready % trainer.accumulate_grad_batches != 0 and not ends_epoch
    return inside and pl_module.automatic_optimization and trainer.world_size == 1
