"""L2-SP: keep weights close to where the training starts, beside any method."""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn

from adapt.losses import l2_sp
from adapt.penalties.base import WeightPenalty


class L2SP(WeightPenalty):
    """Squared distance of the weights from their values at the first step, as those of a pretrained encoder.

    Paper: Li et al., Explicit Inductive Bias for Transfer Learning with Convolutional Networks, ICML 2018
    (https://arxiv.org/abs/1802.01483).

    Formula: `w · ½ ‖θ − θ⁰‖²`, over all parameters that train in the chosen parts, biases and normalisations
    among them. θ⁰ are the values before the first step, of the pretrained backbone or of `init_from`. They are kept in
    the checkpoints, so that a continued run has the same start. The regulariser of the same name takes the values
    before the labelled target samples of `FineTuning` instead.

    Published: not on a task here.

    Args:
        weight: Weight w.
        parts: Whose weights count. Only parts that start from somewhere should.
    """

    def __init__(
        self,
        weight: float = 0.01,
        parts: Sequence[Literal["backbone", "bottleneck", "classifier"]] = ("backbone",),
    ) -> None:
        super().__init__(weight, parts)
        self._start: dict[str, Tensor] = {}

    def of_network(self, network: nn.Module) -> Tensor:
        """The weighted value of a method's parts.

        Args:
            network: Has the parts as submodules.

        Raises:
            AdaptError: Nothing in them trains.
        """
        here = self.parameters_of(network)
        if not self._start:
            self._start = {name: p.detach().clone() for name, p in here.items()}
        trained = self.trained(here)
        return self.weight * l2_sp(trained.values(), [self._start[name].to(p) for name, p in trained.items()])

    def counts(self, parameter: nn.Parameter) -> bool:
        """Whether a parameter is one of the weights: all are."""
        return True

    def state(self) -> dict[str, Tensor]:
        """The start, by name of the parameter."""
        return self._start

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take the start of the run that is continued."""
        self._start = dict(state)
