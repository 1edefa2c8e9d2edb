"""L2-SP: keep weights close to their starting point."""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn

from adapt.data.batches import Labelled
from adapt.encoding import Encoding
from adapt.losses import l2_sp
from adapt.regularisers.base import FromStart, Network


class L2SP(FromStart):
    """Squared distance of the weights from the source network's.

    Paper: Li et al., Explicit Inductive Bias for Transfer Learning with Convolutional Networks, ICML 2018
    (https://arxiv.org/abs/1802.01483).

    Formula: `α/2 ‖w_S − w⁰_S‖² + β/2 ‖w_N‖²`, with w_S the parameters shared with the source network, w⁰_S their values
    when fine-tuning starts, and w_N those of the new parts. Biases and the scales and shifts of normalisations count,
    as in TLlib. Running statistics are not parameters and do not count.

    In the paper the classifier is new, because the target has other classes. Here both domains have the same classes
    and the classifier also starts from the source's. So all parts are shared, except those that `new` names.

    Published: not on a task here.

    Args:
        weight: α.
        new_weight: β.
        new: Parts that are pulled to zero instead of to their starting point.
    """

    def __init__(
        self,
        weight: float = 0.01,
        new_weight: float = 0.01,
        new: Sequence[Literal["bottleneck", "classifier"]] = (),
    ) -> None:
        super().__init__(weight)
        self.new_weight, self.new = new_weight, tuple(new)

    def value(self, network: Network, batch: Labelled, encoding: Encoding) -> Tensor:
        """Half the squared distance of the shared weights."""
        return l2_sp(self._shared(network), self._shared(self.start))

    def forward(self, network: Network, batch: Labelled, encoding: Encoding) -> Tensor:
        """Both weighted terms."""
        total = super().forward(network, batch, encoding)
        drawn = [p for part in self.new for p in network.get_submodule(part).parameters()]
        return total + self.new_weight * l2_sp(drawn) if drawn else total

    def _shared(self, network: Network) -> list[nn.Parameter]:
        parts = network.named_children()
        return [p for name, part in parts if name not in self.new for p in part.parameters()]
