"""The callback that watches validations, and one training batch between them, and warns."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor, nn

from adapt.encoding import SOURCE, TARGET, step_encoding
from adapt.errors import AdaptError
from adapt.monitor.log import Warned, write_warnings
from adapt.monitor.signs import SIGNS, Seen, lost_classes

# Below this share of the batch's largest gradient, a term's gradient is zero up to rounding.
_ROUNDING = 1e-6


class AdaptationWarning(UserWarning):
    """Warning that adaptation goes wrong."""


class Monitor(Callback):
    """Warn during training when adaptation goes wrong, once per kind, and say what to try.

    At each validation it looks at three things: both domains' features and predictions, as `validation_step` returns
    them; the mean of `train/domain_accuracy`, if a method logs it; and the gradient of each loss term in the first
    training batch after the previous validation. Target labels are not read, and training is the same, bit for bit, as
    without the callback. A sign must last three validations; exploding features need one.

    A warning goes to the terminal, into `warnings.jsonl` (`step`, `kind`, `text`) of the run's folder, and into the
    summary of Weights & Biases. With several processes only the first one's samples are used. The gradients cost one
    more backward pass per term, once per validation. They are computed for every method that passes its terms to
    `Method.checked_sum`, with automatic and with manual optimization.

    Args:
        kinds: Keys of `adapt.monitor.SIGNS`; None for all, an empty list for no warning.
        directory: Folder of the file; by default the trainer's root directory.

    Raises:
        AdaptError: A kind is unknown.
    """

    def __init__(self, kinds: Sequence[str] | None = None, directory: str | None = None) -> None:
        super().__init__()
        self.kinds = tuple(SIGNS if kinds is None else kinds)
        if unknown := [kind for kind in self.kinds if kind not in SIGNS]:
            raise AdaptError(f"Monitor(kinds=...) expects some of {', '.join(SIGNS)}, found {', '.join(unknown)}.")
        self.directory = directory
        self.history: list[Seen] = []
        self.found: list[Warned] = []
        self._domain_accuracies: list[Tensor] = []
        self._gradients: dict[str, float] = {}
        self._looks_at_gradients = False
        self._clear()

    def state_dict(self) -> dict[str, Any]:
        """The state for a continued run; plain values, which `weights_only` loading allows."""
        return {"history": [list(seen) for seen in self.history], "found": [list(warned) for warned in self.found]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the run's observations and warnings."""
        self.history = [Seen(*seen) for seen in state_dict["history"]]
        self.found = [Warned(*warned) for warned in state_dict["found"]]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the earlier warnings of a continued run, or remove another run's file."""
        if trainer.ckpt_path is None:
            self.history, self.found = [], []
        self._domain_accuracies, self._gradients, self._looks_at_gradients = [], {}, bool(self.history)
        self._write(trainer)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Watch the loss terms of the first batch after a validation."""
        if self._looks_at_gradients and "zero_gradient" in self.kinds:
            # A module that is not one of our methods has no terms to watch.
            getattr(pl_module, "term_watchers", []).append(self._keep_gradients)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Keep the domain accuracy if it was logged, and stop watching the terms."""
        # A method that accumulates batches has no terms yet.
        self._looks_at_gradients = self._looks_at_gradients and not self._gradients
        self._stop_watching(pl_module)
        accuracy = trainer.callback_metrics.get("train/domain_accuracy") if getattr(pl_module, "logs_now", 0) else None
        if accuracy is not None:
            self._domain_accuracies.append(accuracy.detach().clone())

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Stop watching the terms."""
        self._stop_watching(pl_module)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Clear the sums of an earlier validation."""
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
        """Add a batch's sums; for the source also the number of correct predictions."""
        encoded = step_encoding(outputs, pl_module, dataloader_idx)
        if trainer.state.fn != TrainerFn.FITTING or trainer.sanity_checking or not self.kinds or encoded is None:
            return
        domain, (features, logits) = encoded
        sums = {"count": torch.tensor(len(features)), "norm": features.norm(dim=1).sum()}
        if self._classes(pl_module):
            predicted, logs = logits.argmax(1), logits.log_softmax(1)
            sums |= {"predicted": predicted.bincount(minlength=logits.shape[1]), "entropy": -(logs.exp() * logs).sum()}
            if domain == SOURCE:
                sums["right"] = (predicted == batch.y).sum()
        before = self._sums.setdefault(domain, {})
        self._sums[domain] = {name: before.get(name, 0) + value for name, value in sums.items()}

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Evaluate the signs, before the checkpoint callbacks save."""
        if TARGET not in self._sums:
            return
        self.history.append(self._seen())
        self._domain_accuracies, self._gradients, self._looks_at_gradients = [], {}, True
        self._clear()
        warned = {earlier.kind for earlier in self.found}
        for kind in self.kinds:
            text = None if kind in warned else SIGNS[kind](self.history)
            if text is not None:
                self._warn(trainer, Warned(trainer.global_step, kind, f"At step {trainer.global_step}, {text}"))

    def _keep_gradients(self, method: nn.Module, terms: Mapping[str, Tensor]) -> None:
        if torch.is_grad_enabled():
            for name, norm in gradient_norms(terms, method).items():
                self._gradients[name] = max(norm, self._gradients.get(name, 0.0))

    def _stop_watching(self, module: LightningModule) -> None:
        watchers = getattr(module, "term_watchers", [])
        if self._keep_gradients in watchers:
            watchers.remove(self._keep_gradients)

    @staticmethod
    def _classes(module: LightningModule) -> bool:
        problem = getattr(module, "problem", None)
        return problem is None or problem.probabilities

    def _clear(self) -> None:
        self._sums: dict[int, dict[str, Any]] = {}

    def _seen(self) -> Seen:
        target, source = self._sums[TARGET], self._sums.get(SOURCE)
        # Without classes there are no lost classes, no entropy and no accuracy.
        used, lost, entropy, accuracy = 1, 0, 1.0, None
        if "predicted" in target:
            used, lost = lost_classes(target["predicted"], None if source is None else source["predicted"])
            entropy = float(target["entropy"] / target["count"] / math.log(len(target["predicted"])))
            accuracy = None if source is None else float(source["right"] / source["count"])
        largest = max(self._gradients.values(), default=0.0)
        return Seen(
            used=used,
            lost=lost,
            entropy=entropy,
            norm=sum(float(sums["norm"]) for sums in self._sums.values())
            / sum(float(sums["count"]) for sums in self._sums.values()),
            source_accuracy=accuracy,
            domain_accuracy=float(torch.stack(self._domain_accuracies).mean()) if self._domain_accuracies else None,
            flat=[k for k, v in self._gradients.items() if v <= _ROUNDING * largest] if self._gradients else None,
        )

    def _warn(self, trainer: Trainer, warned: Warned) -> None:
        self.found.append(warned)
        rank_zero_warn(warned.text, category=AdaptationWarning)
        self._write(trainer)
        for logger in trainer.loggers if trainer.is_global_zero else ():
            if isinstance(logger, WandbLogger):
                logger.experiment.summary.update({f"warnings/{warned.kind}": warned.text})

    def _write(self, trainer: Trainer) -> None:
        if trainer.is_global_zero:
            write_warnings(Path(self.directory or trainer.default_root_dir), self.found)


def gradient_norms(terms: Mapping[str, Tensor], module: nn.Module) -> dict[str, float]:
    """Euclidean norm of each term's gradient with respect to all trained parameters; `.grad` does not change.

    The graph is kept for the later backward pass.

    Args:
        terms: Scalars, before the backward pass.
        module: The trained module.
    """
    parameters = [p for p in module.parameters() if p.requires_grad]
    norms = {}
    for name, term in terms.items():
        found: Sequence[Tensor | None] = ()
        if term.requires_grad:
            found = torch.autograd.grad(term, parameters, retain_graph=True, allow_unused=True)
        squares = [gradient.float().square().sum() for gradient in found if gradient is not None]
        norms[name] = float(torch.stack(squares).sum().sqrt()) if squares else 0.0
    return norms
