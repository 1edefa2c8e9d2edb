"""Methods that alternate between optimizers: write `parts` and `phases`; the base takes the steps."""

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, NamedTuple

import torch
from lightning.pytorch import Callback
from torch import Tensor, nn
from torch.optim import LBFGS, Optimizer

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
    """Base of the methods whose parts take turns within a batch; each part has its own optimizer.

    Write `parts`, which names the modules of each optimizer, and `phases`, a generator. The code after a `yield` runs
    after that phase's step, so the next phase sees the new weights.

    `max_steps`, `progress` and the learning-rate schedules count batches, however many steps a batch takes.

    `gradient_clip_val` clips each phase's step; the norm is over all parts that take the step. With
    `accumulate_grad_batches: k` the method waits for k batches. Then it takes the phases one by one, each on the mean
    of the k batches' losses. So a later phase sees the new weights for all k batches: k batches of 32 train like one of
    32·k, except for batch norm and losses that are not a mean over the batch. `max_steps` and the schedules then count
    groups of k batches. The last group of an epoch may be smaller. A method that keeps a graph between phases (`WDGRL`,
    `ADDA`) keeps k graphs. A run that continues inside a group loses that group's earlier batches.

    Raises:
        AdaptError: `sharpness` was asked for. It is for methods that take one step per batch.
    """

    # A phase trains only its own parts.
    idle_parameters: ClassVar[bool] = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if self.sharpness:
            raise AdaptError(
                f"{type(self).__name__} alternates, and sharpness is for methods of one step per batch, such as DANN, "
                "CDAN, DALN or MDD. Leave --model.sharpness out."
            )
        self.automatic_optimization = False
        self._waiting: list[Pair] = []

    def parts(self) -> dict[str, Sequence[nn.Module]]:
        """The modules that each optimizer trains, by the part's name. Every alternating method writes this."""
        raise AdaptError(f"{type(self).__name__} has to define parts(), the modules that each optimizer trains.")

    def lr_scales(self) -> dict[str, float]:
        """Factors on the learning rates of some parts, by the part's name; the default is 1."""
        return {}

    def phases(self, batch: Pair) -> Iterator[Phase]:
        """The steps of one batch, in order. Every alternating method writes this.

        Args:
            batch: Source inputs with labels and target inputs without.
        """
        raise AdaptError(f"{type(self).__name__} has to define phases(batch), which yields the steps of one batch.")

    def configure_callbacks(self) -> list[Callback]:
        """Look automatic while Lightning checks clipping and accumulation, because the phases do both."""
        self.automatic_optimization = True
        return super().configure_callbacks()

    def setup(self, stage: str) -> None:
        """Switch to manual optimization from here on."""
        self.automatic_optimization = False
        super().setup(stage)

    def training_step(self, batch: Pair, batch_idx: int) -> None:
        """Take the phases' steps after enough batches, then log the last value of every term."""
        every = self.trainer.accumulate_grad_batches
        if batch_idx % every == 0:
            self._waiting = []
        self._waiting.append(batch)
        ends_epoch = self.trainer.is_last_batch or batch_idx + 1 == self.trainer.num_training_batches
        if (batch_idx + 1) % every and not ends_epoch:
            return
        batches, self._waiting = self._waiting, []
        seen: dict[str, Tensor] = {}
        for turns in zip(*(self._turns(batches, number) for number in range(len(batches))), strict=True):
            self._take_step(turns[0].parts)
            for name in turns[0].terms:
                seen[name] = torch.stack([turn.terms[name].detach() for turn in turns]).mean()
        self._encodings = None
        # Lightning would count each optimizer's step, not the batches.
        counter = self.trainer.fit_loop.epoch_loop.manual_optimization.optim_step_progress
        counter.increment_ready()
        counter.increment_completed()
        for scheduler in self._schedulers():
            self.lr_scheduler_step(scheduler, None)
        self.log_terms(seen, torch.stack(list(seen.values())).sum())

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Clip the gradients, after undoing a loss scale."""
        trainer = self.trainer
        self.configure_gradient_clipping(optimizer, trainer.gradient_clip_val, trainer.gradient_clip_algorithm)

    def configure_optimizers(self) -> Any:
        """One optimizer and one schedule for each part.

        Raises:
            AdaptError: The optimizer evaluates the loss more than once in a step.
        """
        scales, made = self.lr_scales(), []
        for name, modules in self.parts().items():
            groups = self.groups_of(*modules)
            for group in groups:
                group["lr_scale"] *= scales.get(name, 1.0)
            made.append(self.with_schedule(groups))
        if any(isinstance(part["optimizer"], LBFGS) for part in made):
            raise AdaptError(
                f"{type(self).__name__} alternates, and LBFGS evaluates its loss many times in a step, which a phase "
                "cannot repeat. Give another --model.optimizer."
            )
        return tuple(made)

    def _turns(self, batches: Sequence[Pair], number: int) -> Iterator[Phase]:
        """The phases of one batch; each adds its share of the gradient."""
        with self.global_batch(batches[number]) as whole:
            for phase in self.phases(whole):
                share = self.checked_sum(phase.terms, batches[number]) / len(batches)
                if number == 0:
                    for optimizer in self._optimizers():
                        optimizer.zero_grad()
                self.manual_backward(share)
                yield phase

    def _take_step(self, parts: Sequence[str]) -> None:
        optimizers = dict(zip(self.parts(), self._optimizers(), strict=True))
        chosen = [optimizers[name] for name in parts]
        # Through the strategy, which undoes a loss scale and calls the hooks.
        self.trainer.strategy.optimizer_step(chosen[0] if len(chosen) == 1 else _Together(chosen), closure=_nothing)

    def _optimizers(self) -> list[Optimizer]:
        found: Any = self.optimizers(use_pl_optimizer=False)
        return found if isinstance(found, list) else [found]

    def _schedulers(self) -> list[Any]:
        found: Any = self.lr_schedulers()
        return found if isinstance(found, list) else [] if found is None else [found]


class _Together(Optimizer):
    """Optimizers that step together: one norm for clipping, and one decision of a loss scaler for all gradients."""

    def __init__(self, members: Sequence[Optimizer]) -> None:
        # Do not call torch's constructor: the parameter groups belong to the members.
        self.members = members
        self.param_groups = [group for member in members for group in member.param_groups]

    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # there is no loss to return
        if closure is not None:
            closure()
        for member in self.members:
            member.step()


def _nothing() -> None:
    return None
