"""A multilayer perceptron for vectors."""

from collections.abc import Sequence
from itertools import pairwise
from math import prod

from torch import Tensor, nn

from adapt.backbones.base import Backbone
from adapt.errors import AdaptError


class MLP(Backbone):
    """Linear layers with ReLU; inputs of any shape are flattened.

    Args:
        input_shape: Shape of one input, e.g. `(2,)` for points in the plane.
        hidden: Widths of the layers; the last is `num_features`.
        dropout: Probability of dropping a unit, in every layer.

    Raises:
        AdaptError: There is no layer, or a width is below 1.
    """

    def __init__(
        self, input_shape: tuple[int, ...] = (2,), hidden: Sequence[int] = (100,), dropout: float = 0.0
    ) -> None:
        super().__init__()
        widths = [prod(input_shape), *hidden]
        if len(widths) < 2 or min(widths) < 1:
            raise AdaptError(
                f"MLP expects positive widths and at least one hidden layer, found input_shape={tuple(input_shape)} "
                f"and hidden={list(hidden)}: take Identity for none."
            )
        self.num_features = widths[-1]
        self.layers = nn.Sequential()
        for fan_in, fan_out in pairwise(widths):
            self.layers.extend([nn.Linear(fan_in, fan_out), nn.ReLU(), nn.Dropout(dropout)])

    def forward(self, x: Tensor) -> Tensor:
        """Features `(N, hidden[-1])` of inputs `(N, *input_shape)`."""
        features: Tensor = self.layers(x.flatten(1))
        return features
