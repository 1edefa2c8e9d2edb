"""The contract of a penalty: one weighted loss term, computed from the encodings that the method trains on."""

from torch import Tensor

from adapt.encoding import Encoding
from adapt.errors import AdaptError
from adapt.recorded import Recorded


class Penalty(Recorded):
    """Base of every penalty: write `value`.

    Args:
        weight: Factor on the value.

    Raises:
        AdaptError: The weight is negative.
    """

    def __init__(self, weight: float = 1.0) -> None:
        if weight < 0:
            raise AdaptError(f"{type(self).__name__} expects a weight of at least 0, found {weight}.")
        self.weight = weight

    def value(self, source: Encoding, target: Encoding) -> Tensor:
        """The scalar to minimise.

        Args:
            source: Encoding of N source samples.
            target: Encoding of M target samples.
        """
        raise AdaptError(f"{type(self).__name__} has to define value(source, target), which returns a scalar.")

    def __call__(self, source: Encoding, target: Encoding) -> Tensor:
        """The weighted value."""
        return self.weight * self.value(source, target)


class TargetLabelPenalty(Penalty):
    """Base of the penalties on the labelled target samples of `--data.shots`: write `labelled_value`.

    Args:
        weight: Factor on the value.
    """

    def labelled_value(self, labelled: Encoding, y: Tensor) -> Tensor:
        """The scalar to minimise.

        Args:
            labelled: The method's own encoding of L labelled target samples.
            y: Their class indices `(L,)`.
        """
        raise AdaptError(f"{type(self).__name__} has to define labelled_value(labelled, y), which returns a scalar.")
