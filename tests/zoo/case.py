"""One setting of one method on a toy."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lightning.pytorch import seed_everything

from adapt.data import DomainDataModule
from adapt.methods import Method, SourceOnly
from adapt.problems import Classification, Problem
from tests.toy import Shifted, build, target_accuracy, train

# The learning tests look at the end alone; each of the validations on the way takes as long as ten steps.
UNWATCHED = {"trainer": {"limit_val_batches": 0, "num_sanity_val_steps": 0}}
TRAINING = ("data", "steps", "module", "trainer", "callbacks", "dropout")


@dataclass(frozen=True)
class Case:
    """A method, its arguments, and the shift that it should mend.

    Attributes:
        method: The class.
        options: Its arguments, and those of `tests.toy.train`.
        after_source: Whether it starts from a run of `SourceOnly` with the same seed (`init_from`).
        module: The toy.
        resume: Whether the slower test of continued runs takes this setting; one setting of each class does.
        learns: Whether it is held to beat source-only; the bounds are not.
    """

    method: type[Method]
    options: dict[str, Any] = field(default_factory=dict)
    after_source: bool = False
    module: type[DomainDataModule] = Shifted
    resume: bool = True
    learns: bool = True

    @property
    def problem(self) -> Problem:
        """What the toy poses."""
        found: Problem = self.module("source", "target").problem
        return found

    def train(self, directory: Path, seed: int = 0, **options: Any) -> Any:
        """Train it; the source run before, where it needs one, is trained once for each folder and seed."""
        merged = {"module": self.module} | self.options | options
        if self.after_source and merged.get("ckpt_path") is None:
            kept = {k: v for k, v in merged.items() if k in ("module", "steps", "dropout", "optimizer", "bottleneck")}
            start = directory / f"source-{seed}"
            _, _, trainer = train(SourceOnly, start, seed, **kept)
            trainer.save_checkpoint(start / "source.ckpt")
            merged["init_from"] = str(start / "source.ckpt")
        return train(self.method, directory, seed, **merged)

    def build(self, seed: int = 0, dropout: float = 0.0) -> Method:
        """An untrained one, without the source run that it may want."""
        seed_everything(seed, verbose=False)
        kept = {k: v for k, v in self.options.items() if k not in TRAINING}
        problem = self.problem
        if not isinstance(problem, Classification):
            kept["problem"] = problem
        return build(self.method, dropout, self.module.input_shape, **kept)

    def accuracy(self, directory: Path, seed: int) -> float:
        """Target test accuracy after training, in [0, 1]."""
        return target_accuracy(*self.train(directory, seed))
