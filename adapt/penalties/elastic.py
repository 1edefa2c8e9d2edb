"""L1 and elastic penalties of the network's weights, as terms beside any method's."""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn

from adapt.errors import AdaptError
from adapt.losses import elastic
from adapt.penalties.base import WeightPenalty


class L1(WeightPenalty):
    """Sum of the absolute values of the trained weights, which draws those that do little to 0.

    Paper: Tibshirani, Regression Shrinkage and Selection via the Lasso, JRSS B 1996
    (https://doi.org/10.1111/j.2517-6161.1996.tb02080.x).

    Formula: `w · Σ |θ|`, over matrices and kernels that train; biases and normalisations are free. Squares of the
    weights are the optimizer's `weight_decay`, squared distances from a start the regulariser `L2SP`.

    Args:
        weight: Weight w.
        parts: Whose weights count.
    """

    def __init__(
        self,
        weight: float = 1e-5,
        parts: Sequence[Literal["backbone", "bottleneck", "classifier"]] = ("backbone", "bottleneck", "classifier"),
    ) -> None:
        super().__init__(weight, parts)

    def weights_value(self, weights: Sequence[nn.Parameter]) -> Tensor:
        """Sum of the absolute values."""
        return elastic(weights)


class Elastic(WeightPenalty):
    """Absolute values and squares of the trained weights together.

    Paper: Zou and Hastie, Regularization and Variable Selection via the Elastic Net, JRSS B 2005
    (https://doi.org/10.1111/j.1467-9868.2005.00503.x).

    Formula: `w · (ρ Σ |θ| + (1 − ρ) ½ Σ θ²)`, as scikit-learn writes it, over matrices and kernels that train; biases
    and normalisations are free.

    Args:
        weight: Weight w.
        ratio: Share ρ of the absolute values, in [0, 1].
        parts: Whose weights count.

    Raises:
        AdaptError: The ratio is out of range.
    """

    def __init__(
        self,
        weight: float = 1e-5,
        ratio: float = 0.5,
        parts: Sequence[Literal["backbone", "bottleneck", "classifier"]] = ("backbone", "bottleneck", "classifier"),
    ) -> None:
        super().__init__(weight, parts)
        if not 0 <= ratio <= 1:
            raise AdaptError(f"Elastic expects a ratio in [0, 1], found {ratio}.")
        self.ratio = ratio

    def weights_value(self, weights: Sequence[nn.Parameter]) -> Tensor:
        """The weighted sum of both."""
        return elastic(weights, l1=self.ratio, l2=1 - self.ratio)
