"""Ramps of a trade-off weight, and the usual learning-rate decay."""

import math
from typing import Literal

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from adapt.errors import AdaptError

Reversal = Literal["ganin", "tllib", "constant"]


def ganin_ramp(progress: float, gamma: float = 10.0) -> float:
    """Ramp λ(p) = 2/(1 + e^{−γp}) − 1 from 0 towards 1.

    DANN, Ganin et al. 2016, https://arxiv.org/abs/1505.07818.

    Args:
        progress: Finished share p of the training, in [0, 1].
        gamma: Steepness; at p = 1 the default reaches 0.9999.

    Returns:
        The weight, in [0, 1].

    Examples:
        >>> from adapt.schedules import ganin_ramp
        >>> ganin_ramp(0.0), round(ganin_ramp(0.5), 3), round(ganin_ramp(1.0), 4)
        (0.0, 0.987, 0.9999)
    """
    return math.tanh(gamma * progress / 2)  # the same function, without overflow


def tllib_ramp(step: int, alpha: float = 1.0, total: int = 1000) -> float:
    """Ramp 2/(1 + e^{−α·step/total}) − 1 of TLlib's warm-started gradient reversal.

    It counts steps, not progress, and it does not end at `total`: with the defaults the weight is 0.46 at `total` and
    0.99 after 5300 steps.

    Args:
        step: Training steps done.
        alpha: Steepness.
        total: Steps per unit of α (TLlib's `max_iters`).

    Returns:
        The weight, in [0, 1].

    Examples:
        >>> from adapt.schedules import tllib_ramp
        >>> round(tllib_ramp(1000), 2)
        0.46
    """
    return ganin_ramp(step / total, gamma=alpha)


def gaussian_ramp(progress: float, share: float) -> float:
    """Ramp e^{−5 (1 − p/r)²} from 0.007 to 1 over the first share r of the training, and 1 after it.

    Laine and Aila 2017, https://arxiv.org/abs/1610.02242.

    Args:
        progress: Finished share p of the training, in [0, 1].
        share: r, above 0.

    Returns:
        The weight, in [0.007, 1].

    Examples:
        >>> from adapt.schedules import gaussian_ramp
        >>> round(gaussian_ramp(0.0, share=0.3), 3), gaussian_ramp(0.5, share=0.3)
        (0.007, 1.0)
    """
    return math.exp(-5 * (1 - min(1.0, progress / share)) ** 2)


def reversal_ramp(schedule: Reversal, progress: float, step: int, gamma: float = 10.0) -> float:
    """The ramp of a gradient-reversal method by name, from 0 towards 1.

    Args:
        schedule: `ganin` counts the training's progress, `tllib` its batches, `constant` is 1.
        progress: Finished share of the training, in [0, 1].
        step: Training batches done.
        gamma: Steepness of `ganin`.

    Returns:
        The weight, in [0, 1].

    Raises:
        AdaptError: The schedule is unknown.
    """
    if schedule == "ganin":
        return ganin_ramp(progress, gamma)
    if schedule == "tllib":
        return tllib_ramp(step)
    if schedule == "constant":
        return 1.0
    raise AdaptError(f"schedule expects 'ganin', 'tllib' or 'constant', found {schedule!r}.")


class InverseDecay(LRScheduler):
    """Learning rate lr₀ (1 + γt)^{−power}, stepped once per training batch.

    Ganin et al. 2016, https://arxiv.org/abs/1505.07818, with t the progress in [0, 1] and γ = 10. In TLlib t is the
    step and γ is near 0.001. Per step, γ = 10/total_steps gives Ganin's curve.

    Args:
        optimizer: The optimizer; its groups keep their ratios.
        gamma: γ.
        power: Exponent.
        per: `"progress"` takes t = step / total_steps, `"step"` takes t = step.
        total_steps: Length of the training in steps, for `"progress"`. May be set as an attribute before the first
            step. It is part of the state: a resumed scheduler keeps its saved length.
        last_epoch: Last step done, −1 for a new training.

    Raises:
        AdaptError: `per` is unknown, or γ is negative; at the first step, `total_steps` is missing but needed.

    Examples:
        >>> import torch
        >>> from adapt.schedules import InverseDecay
        >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.01)
        >>> schedule = InverseDecay(optimizer, total_steps=100)
        >>> schedule.last_epoch = 100
        >>> [round(rate, 5) for rate in schedule.get_lr()]  # 0.01 · 11^−0.75
        [0.00166]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        gamma: float = 10.0,
        power: float = 0.75,
        per: Literal["progress", "step"] = "progress",
        total_steps: int | None = None,
        last_epoch: int = -1,
    ) -> None:
        if per not in ("progress", "step") or gamma < 0:
            raise AdaptError(
                f"InverseDecay expects per='progress' or 'step' and gamma >= 0, found {per!r} and {gamma}."
            )
        self.gamma = gamma
        self.power = power
        self.per = per
        self.total_steps = total_steps
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float | Tensor]:
        """Learning rates of the optimizer's groups at the current step."""
        factor = (1 + self.gamma * self._time()) ** -self.power
        return [lr * factor for lr in self.base_lrs]

    def _time(self) -> float:
        if self.per == "step" or self.last_epoch == 0:
            return self.last_epoch
        if self.total_steps is None or self.total_steps < 1:
            raise AdaptError(
                f"InverseDecay per progress expects the training's total_steps, found {self.total_steps}: "
                "set max_steps or max_epochs, give total_steps, or take per='step'."
            )
        return self.last_epoch / self.total_steps
