"""Labels of several samples as one tensor."""

from collections.abc import Sequence
from enum import Enum
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from adapt.errors import SampleError

_SHOWN = 5


class _NoLabel(Enum):
    NO_LABEL = "no label"


NO_LABEL = _NoLabel.NO_LABEL
"""What a dataset gives in the place of a sample's label where it has none: `(x, NO_LABEL)`.

None is refused, for it is what a slip of the pen gives too.
"""


class Labels(NamedTuple):
    """Labels of several samples, some of which may have none.

    Attributes:
        y: Labels `(N, ...)`; what stands where a sample has none means nothing.
        known: Which samples have a label `(N,)`, as booleans.
    """

    y: Tensor
    known: Tensor

    def take(self, at: Tensor) -> "Labels":
        """Those at the given positions."""
        return Labels(self.y[at], self.known[at])


class LabelCount(NamedTuple):
    """How many samples of a split have a label.

    Attributes:
        labelled: Samples with a label.
        samples: All samples.
    """

    labelled: int
    samples: int

    @property
    def all(self) -> bool:
        """Whether every sample has one."""
        return self.labelled == self.samples

    @property
    def words(self) -> str:
        """As a person reads it."""
        return "no target labels" if not self.labelled else f"{self.labelled} of {self.samples} target samples"


def is_missing(label: Any) -> bool:
    """Whether an entry stands for none: None, NaN, NaT, or pandas' NA."""
    try:
        return label is None or bool(label != label)
    except TypeError:  # NA: no comparison with it is true or false
        return True


def from_array(array: NDArray[Any]) -> Tensor:
    """An array as a tensor, also where torch takes no view of it (strides below zero, other byte orders)."""
    # Writeable, or torch warns: pandas and joblib give arrays that are not.
    return torch.from_numpy(np.require(array, array.dtype.newbyteorder("="), ["C", "W"]))


def as_labels(labels: Any) -> Tensor:
    """Labels of several samples as one tensor, whatever numbers they are and whatever shape each has.

    Raises:
        SampleError: One of them is no number, or their shapes differ.
    """
    try:
        if isinstance(labels, list | tuple):
            # One by one: pooled domains may differ in whether a label is a tensor or a number.
            return torch.stack([torch.as_tensor(label) for label in labels])
        # Not torch's own way for a pandas series, whose index may not begin at 0.
        labels = np.array(labels) if hasattr(labels, "to_numpy") else labels
        return from_array(labels) if isinstance(labels, np.ndarray) else torch.as_tensor(labels)
    except (TypeError, ValueError, RuntimeError) as error:
        found = str(list(labels)[:_SHOWN] if isinstance(labels, list | tuple) else labels).partition("\n")[0][:80]
        raise SampleError(f"Expected class indices as labels, found {found}. Number the classes from 0.") from error


def no_labels(count: int) -> Labels:
    """Labels of samples that have none."""
    return Labels(torch.full((count,), -1), torch.zeros(count, dtype=torch.bool))


def marked_labels(labels: Any, count: int) -> Labels:
    """Labels of some samples, `NO_LABEL` where there is none: of one sample, or in the place of them all.

    Args:
        labels: `NO_LABEL`, `Labels`, or what `as_labels` takes, in which `NO_LABEL` may stand for a sample's label.
        count: Number of samples.

    Raises:
        SampleError: One of them is no number, or their shapes differ.
    """
    if isinstance(labels, Labels):
        return labels
    if labels is NO_LABEL:
        return no_labels(count)
    if not isinstance(labels, list | tuple) or not any(label is NO_LABEL for label in labels):
        y = as_labels(labels)
        return Labels(y, torch.ones(len(y) if y.ndim else count, dtype=torch.bool))
    known = torch.tensor([label is not NO_LABEL for label in labels])
    if not known.any():
        return no_labels(count)
    found = as_labels([label for label in labels if label is not NO_LABEL])
    y = found.new_zeros(count, *found.shape[1:])
    y[known] = found
    return Labels(y, known)


def join_labels(parts: Sequence[Labels]) -> Labels:
    """The parts' labels as one; of a part without labels the shape does not matter.

    Raises:
        SampleError: The others are not of one shape.
    """
    shapes = {part.y.shape[1:] for part in parts if part.known.any()} or {parts[0].y.shape[1:]}
    if len(shapes) != 1:
        raise SampleError("Expected labels of one shape, found several. Give every sample a label of the same kind.")
    shape = next(iter(shapes))
    fitting = [part.y if part.y.shape[1:] == shape else part.y.new_zeros(len(part.y), *shape) for part in parts]
    return Labels(torch.cat(fitting), torch.cat([part.known for part in parts]))
