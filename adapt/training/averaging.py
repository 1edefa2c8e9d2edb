"""The weights' exponential moving average, which validations, tests and checkpoints see."""

from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from adapt.errors import AdaptError


class AveragedWeights(WeightAveraging):
    """Average the weights over the steps, and evaluate, select and keep the average; the training itself goes on.

    After step n the average moves by 1 − d towards the weights, d = min(decay, (1 + n) / (10 + n)): early on it forgets
    fast, so that the random beginning leaves no trace. Running statistics of batch norm are averaged with the weights;
    what is no number with a point, such as a count or a table of pseudo-labels, is taken as it is.

    `--trainer.callbacks+=AveragedWeights --trainer.callbacks.decay 0.99` switches it on. The checkpoint of each rule
    holds the average, so `adapt test`, `adapt.load` and another run's `init_from` use it; a run that continues from
    `last.ckpt` finds the training's own weights there too.

    Args:
        decay: Upper end of d, in [0, 1).

    Raises:
        AdaptError: The decay is out of range.
    """

    def __init__(self, decay: float = 0.999) -> None:
        if not 0 <= decay < 1:
            raise AdaptError(f"Expected decay in [0, 1), found {decay}.")
        self.decay = decay
        self._training: dict[str, Tensor] | None = None
        super().__init__()

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Begin with a copy of the weights."""
        if stage == "fit":
            # Lightning's own would copy the method with all that it knows, to the trainer's processes and loaders.
            weights = _weights_of(pl_module)
            self._average_model = AveragedModel(weights, pl_module.device, use_buffers=True, avg_fn=self._towards)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget the end of an earlier training."""
        self._training = None

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave the average in the network, and remember the training's weights for the checkpoint of its end."""
        self._training = {name: value.detach().clone() for name, value in pl_module.state_dict().items()}
        super().on_train_end(trainer, pl_module)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Save the average as the network, and what the training needs to go on."""
        super().on_save_checkpoint(trainer, pl_module, checkpoint)
        if self._training is not None and "current_model_state" in checkpoint:
            # Lightning's own would save the average twice: checkpoints come last, and the network is the average now.
            checkpoint["current_model_state"] = self._training

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Take up the average of a training that continues; a test after it keeps what the checkpoint holds."""
        # Lightning's own would put the training's weights into a network that is tested.
        if trainer.state.fn == TrainerFn.FITTING:
            super().on_load_checkpoint(trainer, pl_module, checkpoint)

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put the average in place, within a training alone: afterwards it is there."""
        if trainer.state.fn == TrainerFn.FITTING:
            super().on_validation_epoch_start(trainer, pl_module)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put the training's weights back."""
        if trainer.state.fn == TrainerFn.FITTING:
            super().on_validation_epoch_end(trainer, pl_module)

    def _towards(self, average: Tensor, weights: Tensor, steps: Tensor | int) -> Tensor:
        if not average.is_floating_point():
            return weights
        decay = min(self.decay, (1 + int(steps)) / (10 + int(steps)))
        return average.lerp(weights, 1 - decay)


def _weights_of(method: LightningModule) -> nn.Module:
    """A module with the parameters, buffers and parts of a method under the same names, and nothing else."""
    bare = nn.Module()
    for name, parameter in method.named_parameters(recurse=False, remove_duplicate=False):
        bare.register_parameter(name, parameter)
    kept = method.state_dict()
    for name, buffer in method.named_buffers(recurse=False, remove_duplicate=False):
        bare.register_buffer(name, buffer, name in kept)
    # Not `named_children`, which names a part that stands under two names only once.
    for name, part in method.named_modules(remove_duplicate=False):
        if name and "." not in name:
            bare.register_module(name, part)
    return bare
