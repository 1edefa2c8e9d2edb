"""Virtual adversarial domain adaptation."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import torch
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from adapt.data.batches import Pair
from adapt.errors import AdaptError
from adapt.losses import entropy, virtual_adversarial, virtual_adversarial_direction
from adapt.methods.base import Method
from adapt.methods.dann import DANN
from adapt.problems import Classification, Problem
from adapt.processes import world
from adapt.schedules import Reversal


class VADA(DANN):
    """DANN whose decision boundary keeps away from samples: predictions stay certain, and equal on near inputs.

    Paper: Shu et al., A DIRT-T Approach to Unsupervised Domain Adaptation, ICLR 2018
    (https://arxiv.org/abs/1802.08735).

    Formula: `L = L_DANN + s · V(x_s) + t · [V(x_t) + H(x_t)]`, where H is the mean entropy of the predictions and
    `V(x) = (1/N) Σ_i max_{‖r‖ ≤ ε} KL(p(x_i) ‖ p(x_i + r))`, the maximum by one power iteration. Inputs `(N, ...)`: a
    tensor of floats, so images, series and vectors, and no texts.

    As in the paper, the domain loss reaches the features with the constant factor 0.01 (`max_lambda`) while the
    discriminator learns at full rate. ε is a Euclidean length in the units of the inputs: 3.5 as in the paper for
    images, and about a tenth of a standardised window of 9 × 128 values. More than half the distance between two
    samples is warned of. The target's terms count from the first step; where many first predictions are wrong, they
    make them certain (embedded reviews, books → kitchen, ε = 0.34, one seed: 42 % with t = 0.1, 65 % with t = 0).

    Departures: gradient reversal in the place of the paper's flipped domain labels; the virtual adversarial passes run
    without dropout, so that they see the perturbation and not the noise, and leave batch norm's running statistics
    alone; no instance normalisation of the inputs, no moving average of the weights. Its second stage, which goes on
    without the source, is `DIRTT`.

    Published, UCI HAR, macro-F1 of ten pairs (AdaTime's DIRT-T, chosen by source risk / target risk): 89.6 / 93.7.

    Args:
        source_weight: Weight s.
        target_weight: Weight t of the target's two terms.
        radius: Length ε of the perturbation.
        schedule: See `DANN`.
        max_lambda: See `DANN`.
        **kwargs: Arguments of `DANN`.

    Raises:
        AdaptError: A weight or the radius is out of range.
    """

    problems: ClassVar[tuple[type[Problem], ...]] = (Classification,)

    def __init__(
        self,
        source_weight: float = 1.0,
        target_weight: float = 0.1,
        radius: float = 3.5,
        schedule: Reversal = "constant",
        max_lambda: float = 0.01,
        **kwargs: Any,
    ) -> None:
        super().__init__(schedule=schedule, max_lambda=max_lambda, **kwargs)
        if min(source_weight, target_weight) < 0 or radius <= 0:
            raise AdaptError(
                "VADA expects weights of at least 0 and a radius above 0, found "
                f"{source_weight}, {target_weight} and {radius}."
            )
        self.source_weight, self.target_weight, self.radius = source_weight, target_weight, radius

    def losses(self, batch: Pair) -> dict[str, Tensor]:
        """DANN's terms, the target's entropy, and the virtual adversarial terms of both domains."""
        terms = super().losses(batch)
        assert self._encodings is not None  # DANN's losses have just encoded the batch
        encodings = self._encodings
        if self.target_weight:
            terms["entropy"] = self.target_weight * entropy(encodings.target.logits)
            warn_of_wide_radius(self, batch.target.x, self.radius)
            terms["target_vat"] = self.target_weight * perturbed(self, batch.target.x, self.radius)
        if self.source_weight:
            terms["source_vat"] = self.source_weight * perturbed(self, batch.source.x, self.radius)
        return terms


def perturbed(method: Method, x: Tensor, radius: float) -> Tensor:
    """The virtual adversarial term of a network's predictions on inputs `(N, ...)`; of all processes' inputs.

    Args:
        method: The network.
        x: This process's inputs.
        radius: Length of the perturbation.
    """
    with _without_noise(method):
        direction = virtual_adversarial_direction(
            lambda inputs: method.forward(inputs).logits, x, start=_start(method, x)
        )
        clean = method.forward(x)
        worst = method.forward(x + radius * direction)
    clean, worst = method.of_all_processes(clean, worst)
    return virtual_adversarial(worst.logits, clean.logits)


def warn_of_wide_radius(method: Method, x: Tensor, radius: float) -> None:
    """Warn at the first step where the inputs of different samples may be perturbed into each other.

    Predictions that hold still around every sample are then the same for all.

    Args:
        method: Who perturbs.
        x: Inputs `(N, ...)`.
        radius: Length of the perturbation.
    """
    if method._step or not isinstance(x, Tensor) or len(x) < 2:
        return
    apart = torch.pdist(x.detach().flatten(1).float()).median()

    def judge(found: Tensor) -> None:
        if 2 * radius > float(found):
            rank_zero_warn(
                f"{type(method).__name__} perturbs by {radius:g} inputs that are {float(found):.2g} apart (median), "
                f"and may make all predictions alike. Try --model.radius {float(found) / 10:.1g}, or standardise them."
            )

    method.check_later(apart, judge)


def _start(method: Method, x: Tensor) -> Tensor | None:
    # Drawn for the batch of all processes, so that two of them take the steps that one would.
    processes = world()[1]
    if processes == 1 or not isinstance(x, Tensor):
        return None
    return method.own_share(torch.randn(processes * len(x), *x.shape[1:], device=x.device, dtype=x.dtype))


@contextmanager
def _without_noise(network: nn.Module) -> Iterator[None]:
    """No dropout, and batch norm that normalises by the batch without remembering it."""
    dropouts = [m for m in network.modules() if isinstance(m, _DropoutNd) and m.training]
    norms = [m for m in network.modules() if isinstance(m, _BatchNorm) and m.training and m.track_running_stats]
    try:
        for dropout in dropouts:
            dropout.training = False
        for norm in norms:
            norm.track_running_stats = False
        yield
    finally:
        for dropout in dropouts:
            dropout.training = True
        for norm in norms:
            norm.track_running_stats = True
