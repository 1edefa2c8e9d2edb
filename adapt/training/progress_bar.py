"""What a person sees of a run: a bar of the whole run, and a line for each validation."""

import math
import time
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.text import Text

_SCORE = "information_maximisation"  # the rule of the headline in every table

# A run of a thousand validations must not fill the terminal: later lines come once a minute, or twenty in a run.
_ALL_OF_THE_FIRST = 10
_SECONDS, _SHARE = 60.0, 0.05


class RunProgressBar(ProgressBar):
    """A bar that counts the steps of the whole run, with the time left, and a line for each validation.

    The line has what says whether the training works: the metric on the source, the headline's label-free score, the
    domain discriminator's accuracy and λ where the method has them, and the oracle where the target has labels. Output
    that is not a terminal gets the lines alone.

    Args:
        console: Where to write; None for the standard output.
    """

    def __init__(self, console: Console | None = None) -> None:
        super().__init__()
        self.console = console or Console()
        self._on, self._task = True, TaskID(0)
        self._bar: Progress | None = None
        self._seen, self._said, self._validations, self._batches = -1, 0, 0, 0
        self._said_at, self._loss_read, self._left_out = 0.0, 0.0, ""

    def disable(self) -> None:
        """Show nothing, as in all processes but the first."""
        self._on = False

    def enable(self) -> None:
        """Show the bar."""
        self._on = True

    def print(self, *args: Any, **kwargs: Any) -> None:
        """Print above the bar."""
        self.console.print(*args, markup=False, highlight=False, soft_wrap=True)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin at the step from which the run continues."""
        self._clear(trainer.global_step)
        total = trainer.estimated_stepping_batches
        self._start("training", None if math.isinf(total) else int(total), trainer.global_step)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count, and show the loss twice a second at most, because reading it makes the CPU wait for the GPU."""
        now = time.monotonic()
        if getattr(pl_module, "logs_now", False) and now - self._loss_read > 0.5 and self._bar is not None:
            loss = trainer.callback_metrics.get("train/loss")
            self._loss_read = now
            if loss is not None:
                self._bar.update(self._task, text=f"loss {float(loss):.3f}")
        self._count(trainer.global_step)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the end, with the last validation if its line was left out."""
        self._count(trainer.global_step)
        if self._left_out:
            self._say(self._left_out)
        self._stop()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the validation's line."""
        if trainer.sanity_checking or trainer.state.fn != "fit" or not self._on:
            return
        step, now = trainer.global_step, time.monotonic()
        found = validation_words(trainer.callback_metrics, _headline(pl_module))
        if not found or step == self._seen:  # the end of training may be validated once more
            return
        self._seen, self._validations = step, self._validations + 1
        total = trainer.estimated_stepping_batches
        of = "" if math.isinf(total) else f"/{int(total)}"
        line = f"step {step}{of}: {found}"
        rare = now - self._said_at > _SECONDS or step - self._said > _SHARE * total
        if rare or self._validations <= _ALL_OF_THE_FIRST:
            self._said, self._said_at, self._left_out = step, now, ""
            self._say(line)
        else:
            self._left_out = line

    def on_validation_batch_end(self, trainer: Trainer, *args: Any, **kwargs: Any) -> None:
        """Count a batch of `adapt validate`."""
        if trainer.state.fn == "validate":
            self._evaluated("validating", sum(trainer.num_val_batches))

    def on_test_batch_end(self, trainer: Trainer, *args: Any, **kwargs: Any) -> None:
        """Count a batch of `adapt test`."""
        self._evaluated("testing", sum(trainer.num_test_batches))

    def on_predict_batch_end(self, trainer: Trainer, *args: Any, **kwargs: Any) -> None:
        """Count a batch of `adapt predict`."""
        self._evaluated("predicting", sum(trainer.num_predict_batches))

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Leave the bar as it is."""
        self._stop()

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Take the bar away."""
        self._stop()

    def _clear(self, step: int) -> None:
        self._seen, self._said, self._validations, self._batches = -1, step, 0, 0
        self._said_at, self._loss_read, self._left_out = time.monotonic(), 0.0, ""

    def _start(self, what: str, total: float | None, done: int) -> None:
        self._stop()
        if not self._on or not (self.console.is_terminal or self.console.is_jupyter):
            return
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            _Times(done),
            TextColumn("{task.fields[text]}"),
            console=self.console,
        )
        self._task = self._bar.add_task(what, total=total, completed=done, text="")
        self._bar.start()

    def _evaluated(self, what: str, total: float) -> None:
        if self._bar is None:
            self._batches = 0
            self._start(what, None if math.isinf(total) else total, 0)
        self._batches += 1
        self._count(self._batches)

    def _count(self, done: int) -> None:
        if self._bar is not None:
            self._bar.update(self._task, completed=done)

    def _say(self, line: str) -> None:
        if self._on:
            self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
        self._bar = None


class _Times(ProgressColumn):
    """Time so far, and the time left by the mean speed of this command, which has its validations in it."""

    def __init__(self, first: int) -> None:
        super().__init__()
        self.first = first

    def render(self, task: Task) -> Text:
        gone, done = task.elapsed or 0.0, task.completed - self.first
        text = _clock(gone)
        if task.total is not None and done > 0 and task.completed < task.total:
            text += f", {_clock(gone / done * (task.total - task.completed))} left"
        return Text(text, style="cyan")


def validation_words(metrics: Any, headline: str) -> str:
    """What a validation found, in one line; empty if it found nothing.

    Args:
        metrics: What was logged last, by name.
        headline: The problem's first metric.

    Examples:
        >>> validation_words({"val/source_accuracy": 0.9, "train/lambda": 0.5, "val/mmd": 0.1}, "accuracy")
        'source accuracy 0.900, λ 0.500'
    """
    shown = {
        f"source {headline.replace('_', ' ')}": f"val/source_{headline}",
        _SCORE: f"val/{_SCORE}",
        "domain accuracy": "train/domain_accuracy",
        "λ": "train/lambda",
        f"oracle target {headline.replace('_', ' ')}": f"oracle/target_{headline}",
    }
    return ", ".join(f"{words} {float(metrics[name]):.3f}" for words, name in shown.items() if name in metrics)


def _headline(module: LightningModule) -> str:
    problem = getattr(module, "problem", None)
    return str(getattr(problem, "headline", "accuracy"))


def _clock(seconds: float) -> str:
    whole = round(seconds)
    hours = f"{whole // 3600}:{whole % 3600 // 60:02d}" if whole >= 3600 else str(whole // 60)
    return f"{hours}:{whole % 60:02d}"
