"""The callback that looks at validations, and at one batch between them, and warns."""

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

# Below this share of the batch's largest gradient, a term's is what rounding leaves of zero.
_ROUNDING = 1e-6


class AdaptationWarning(UserWarning):
    """Adaptation goes wrong."""


class Monitor(Callback):
    """While it trains, warns once per kind, and says what to try, when adaptation goes wrong.

    At each validation looks at both domains' features and predictions, as `validation_step` returns them, at the mean
    of `train/domain_accuracy` where a method logs it, and at the gradients that each loss term had in the first
    training batch after the validation before. The labels in the target's batches are not read, and the training is
    the same, bit for bit, as without the callback. A sign has to last three validations; exploding features need one.

    A warning goes to the terminal, into `warnings.jsonl` (`step`, `kind`, `text`) of the run's folder, and into the
    summary of Weights & Biases. With several processes the first one's share of the samples is looked at. A gradient
    costs one more backward pass for each term, once per validation; a method that passes its terms through `Method`'s
    `checked_sum` has it, whether its optimization is automatic or not.

    Args:
        kinds: Keys of `adapt.monitor.SIGNS`; None for all, an empty list for no warning.
        directory: Where the file goes; by default the trainer's root directory.

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
        """What a continued run has to know; plain values, which `weights_only` lets pass."""
        return {"history": [list(seen) for seen in self.history], "found": [list(warned) for warned in self.found]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue with what the run had seen, and warned of."""
        self.history = [Seen(*seen) for seen in state_dict["history"]]
        self.found = [Warned(*warned) for warned in state_dict["found"]]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write what a continued run had warned of, and remove what another one left."""
        if trainer.ckpt_path is None:
            self.history, self.found = [], []
        self._domain_accuracies, self._gradients, self._looks_at_gradients = [], {}, bool(self.history)
        self._write(trainer)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Watch the terms of the first batch after a validation."""
        if self._looks_at_gradients and "zero_gradient" in self.kinds:
            # Those of a module that is none of our methods are seen by nobody.
            getattr(pl_module, "term_watchers", []).append(self._keep_gradients)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Keep the domain accuracy where it was logged, and stop watching the terms."""
        # A method that waits for several batches has shown no term yet.
        self._looks_at_gradients = self._looks_at_gradients and not self._gradients
        self._stop_watching(pl_module)
        accuracy = trainer.callback_metrics.get("train/domain_accuracy") if getattr(pl_module, "logs_now", 0) else None
        if accuracy is not None:
            self._domain_accuracies.append(accuracy.detach().clone())

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Stop watching the terms."""
        self._stop_watching(pl_module)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget what an earlier validation left."""
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
        """Add a batch's sums; of the source's labels the number of right predictions."""
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
        """Look at what the validation showed, before the checkpoints keep it."""
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
        # Without classes none is lost, no prediction grows certain, and nothing is right or wrong.
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
    """Euclidean norm of each term's gradient with respect to all trained parameters; no `.grad` changes.

    The graph stays for the backward pass that follows.

    Args:
        terms: Scalars, before that pass.
        module: What is trained.
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
