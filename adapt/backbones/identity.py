"""No backbone: the inputs are the features."""

from math import prod

from torch import Tensor

from adapt.backbones.base import Backbone


class Identity(Backbone):
    """Flattens the input and has no parameters: for precomputed features, and for linear models.

    Args:
        input_shape: Shape of one input; its product is `num_features`.
    """

    def __init__(self, input_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.num_features = prod(input_shape)

    def forward(self, x: Tensor) -> Tensor:
        """The inputs `(N, *input_shape)` as `(N, num_features)`."""
        return x.flatten(1)
