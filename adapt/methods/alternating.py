"""Methods that alternate between optimizers: write `parts` and `phases`; the base takes the steps."""

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, NamedTuple

import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor, nn

from adapt.data.batches import Pair
from adapt.errors import AdaptError
from adapt.methods.base import Method


class Phase(NamedTuple):
    """One step of some of the optimizers.

    Attributes:
        parts: Names of the parts that take the step.
        terms: Named scalar terms whose sum they minimise.
    """

    parts: Sequence[str]
    terms: dict[str, Tensor]


class AlternatingMethod(Method):
    """Base of the methods whose parts take turns within a batch, each part with an optimizer of its own.

    Write `parts`, which names the modules of each optimizer, and `phases`, a generator: what stands after a `yield`
    runs once that phase's step is taken, so that the next phase sees the new weights.

    `max_steps`, `progress` and the learning-rate schedules count batches, however many steps a batch takes.
    """

    # A phase trains its parts and no other.
    idle_parameters: ClassVar[bool] = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.automatic_optimization = False

    def parts(self) -> dict[str, Sequence[nn.Module]]:
        """The modules that each optimizer trains, by the part's name. Every alternating method writes this."""
        raise AdaptError(f"{type(self).__name__} has to define parts(), the modules that each optimizer trains.")

    def lr_scales(self) -> dict[str, float]:
        """Factors on the learning rates of some parts, by the part's name; 1 where there is none."""
        return {}

    def phases(self, batch: Pair) -> Iterator[Phase]:
        """The steps of one batch, in order. Every alternating method writes this.

        Args:
            batch: Source inputs with labels and target inputs without.
        """
        raise AdaptError(f"{type(self).__name__} has to define phases(batch), which yields the steps of one batch.")

    def training_step(self, batch: Pair, batch_idx: int) -> None:
        """Take the phases' steps, then log the last value of every term."""
        optimizers = dict(zip(self.parts(), self._optimizers(), strict=True))
        seen: dict[str, Tensor] = {}
        counted = False
        for phase in self._global_phases(batch):
            total = self.checked_sum(phase.terms, batch)
            for optimizer in optimizers.values():
                optimizer.zero_grad()
            self.manual_backward(total)
            for name in phase.parts:
                if counted:
                    # Through the strategy and not the wrapper, which would count it as one more of `max_steps`.
                    self.trainer.strategy.optimizer_step(optimizers[name].optimizer, closure=_nothing)
                else:
                    optimizers[name].step()
                    counted = True
            seen |= {name: value.detach() for name, value in phase.terms.items()}
        self._encodings = None
        for scheduler in self._schedulers():
            scheduler.step()
        self.log_terms(seen, torch.stack(list(seen.values())).sum())

    def _global_phases(self, batch: Pair) -> Iterator[Phase]:
        with self.global_batch(batch) as whole:
            yield from self.phases(whole)

    def configure_optimizers(self) -> Any:
        """One optimizer and one schedule for each part."""
        scales, made = self.lr_scales(), []
        for name, modules in self.parts().items():
            groups = self.groups_of(*modules)
            for group in groups:
                group["lr_scale"] *= scales.get(name, 1.0)
            made.append(self.with_schedule(self.optimizer(groups)))
        return tuple(made)

    def _optimizers(self) -> list[LightningOptimizer]:
        found: Any = self.optimizers()
        return found if isinstance(found, list) else [found]

    def _schedulers(self) -> list[Any]:
        found: Any = self.lr_schedulers()
        return found if isinstance(found, list) else [] if found is None else [found]


def _nothing() -> None:
    return None
