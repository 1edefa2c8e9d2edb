"""Build optimizers and schedules, and check them."""

import math
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from lightning.pytorch.trainer.states import TrainerFn
from torch import nn
from torch.optim import Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import OneCycleLR, ReduceLROnPlateau

from adapt.errors import AdaptError


class AdversarialAdam(Adam):
    """Adam with β₁ = 0.5, for features and a discriminator that play against each other.

    Momentum makes such a game overshoot. Radford et al. (DCGAN, ICLR 2016, https://arxiv.org/abs/1511.06434) take 0.5
    instead of 0.9 for adversarial networks; what it changes here is in benchmarks/recipes. It is a class because an
    optimizer in a signature can only hold plain numbers, and `betas` are two.

    Args:
        params: Parameters, or groups of them.
        lr: Learning rate.
        betas: Decay of the mean of the gradients (β₁) and of their squares (β₂).
        weight_decay: Weight of the L2 penalty.
        fused: Whether one kernel takes the whole step; None where it can.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.5, 0.999),
        weight_decay: float = 0.0,
        fused: bool | None = None,
    ) -> None:
        super().__init__(params, lr=lr, betas=betas, weight_decay=weight_decay, fused=fused)


def parameter_groups(
    backbone: nn.Module, modules: Sequence[nn.Module], backbone_lr_scale: float
) -> list[dict[str, Any]]:
    """Groups of trainable parameters, each with `lr_scale`: the backbone's, layer by layer, and the others'.

    Args:
        backbone: The feature extractor; its `layer_groups`, where it has them, give a factor for each layer.
        modules: Those whose parameters are trained.
        backbone_lr_scale: Factor on the backbone's rate.
    """
    trained = [p for module in modules for p in module.parameters() if p.requires_grad]
    groups: list[dict[str, Any]] = []
    known: set[int] = set()
    # A module of the user's own may be any `nn.Module` with `num_features`.
    layer_groups: Any = getattr(backbone, "layer_groups", lambda: [(1.0, backbone.parameters())])
    for factor, parameters in layer_groups():
        own = {id(p) for p in parameters}
        known |= own
        layer = [p for p in trained if id(p) in own]
        groups.append({"params": layer, "lr_scale": backbone_lr_scale * factor})
    groups.append({"params": [p for p in trained if id(p) not in known], "lr_scale": 1.0})
    return [group for group in groups if group["params"]]


def make_optimizer(make: OptimizerCallable, groups: list[dict[str, Any]]) -> Optimizer:
    """The optimizer over groups of parameters, each with its rate scaled.

    Args:
        make: Builds it from the groups.
        groups: `params`, and `lr_scale`, the factor on the rate.

    Raises:
        AdaptError: A rate is negative or not finite, or all are 0.
    """
    try:
        optimizer = make(groups)
    except ValueError as error:
        # LBFGS takes one group and has one learning rate.
        if "parameter groups" not in str(error) or len({group["lr_scale"] for group in groups}) > 1:
            raise
        whole = [parameter for group in groups for parameter in group["params"]]
        optimizer = make([{"params": whole, "lr_scale": groups[0]["lr_scale"]}])
    for group in optimizer.param_groups:
        group["lr"] = group["lr"] * group.pop("lr_scale")
        if not (math.isfinite(group["lr"]) and group["lr"] >= 0):
            raise AdaptError(
                f"Expected a finite learning rate of at least 0, found {float(group['lr'])}. "
                "It is --model.optimizer.lr, times --model.backbone_lr_scale for the backbone."
            )
    if not any(group["lr"] for group in optimizer.param_groups):
        raise AdaptError("Expected a learning rate above 0, found 0: nothing would train. Give --model.optimizer.lr.")
    _fuse(optimizer)
    return optimizer


def _fuse(optimizer: Optimizer) -> None:
    # Adam reads and writes its numbers several times in a step, torch's fused kernel once: a quarter of the time
    # on a CPU. Asked for in the constructor, it would also unscale gradients, and then Lightning refuses to clip them.
    for group in optimizer.param_groups if isinstance(optimizer, Adam | AdamW) else ():
        chosen = group["fused"] is not None or group["foreach"] or group["differentiable"]
        if not chosen and all(p.is_floating_point() and p.device.type in ("cpu", "cuda") for p in group["params"]):
            group["fused"] = True


def make_schedule(make: LRSchedulerCallable, optimizer: Optimizer, steps: float) -> Any:
    """The schedule of an optimizer; if `total_steps` is missing, it becomes the training's length.

    Args:
        make: Builds it from the optimizer.
        optimizer: The optimizer.
        steps: Optimizer steps of the training; infinite if not known.

    Raises:
        AdaptError: It ends before the training does, or has no metric to watch.
    """
    filled = {}
    options = make.keywords if isinstance(make, partial) else {}
    if "total_steps" in options and options["total_steps"] is options.get("epochs") is None and math.isfinite(steps):
        filled["total_steps"] = int(steps)
    scheduler: Any = make(optimizer, **filled)
    if getattr(scheduler, "total_steps", 0) is None and math.isfinite(steps):
        scheduler.total_steps = int(steps)
    if isinstance(scheduler, OneCycleLR) and scheduler.total_steps < steps:
        raise AdaptError(
            f"OneCycleLR ends after {scheduler.total_steps} steps, the training takes {steps}. "
            "Leave total_steps out: it becomes the training's length."
        )
    if isinstance(scheduler, ReduceLROnPlateau) and getattr(scheduler, "monitor", None) is None:
        raise AdaptError(
            "ReduceLROnPlateau needs a metric to watch: take lightning.pytorch.cli.ReduceLROnPlateau, "
            "with for example monitor: val/source_accuracy and mode: max."
        )
    return scheduler


class PlateauSteps(Callback):
    """Steps every `ReduceLROnPlateau` after each validation, before the checkpoints keep its state.

    Only a validation gives new values: Lightning would count batches, and count the same value again.
    """

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Give each scheduler its metric.

        Raises:
            AdaptError: Nothing of that name was logged.
        """
        if trainer.sanity_checking or trainer.state.fn != TrainerFn.FITTING:
            return
        for scheduler in (config.scheduler for config in trainer.lr_scheduler_configs):
            if not isinstance(scheduler, ReduceLROnPlateau):
                continue
            monitor: str = scheduler.monitor  # type: ignore[attr-defined]  # Lightning's class has it; checked when made
            value = trainer.callback_metrics.get(monitor)
            if value is None:
                known = ", ".join(sorted(trainer.callback_metrics))
                raise AdaptError(f"ReduceLROnPlateau has no metric {monitor!r} to watch: logged are {known}.")
            # Values logged in training differ between processes, but their learning rates must stay the same.
            scheduler.step(float(trainer.strategy.reduce(value.to(pl_module.device), reduce_op="mean")))
