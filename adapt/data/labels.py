"""Labels of several samples as one tensor."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from adapt.errors import SampleError

_SHOWN = 5


def from_array(array: NDArray[Any]) -> Tensor:
    """An array as a tensor, also where torch takes no view of it (strides below zero, other byte orders)."""
    return torch.from_numpy(np.require(array, array.dtype.newbyteorder("="), "C"))


def as_labels(labels: Any) -> Tensor:
    """Labels of several samples as one tensor, whatever numbers they are and whatever shape each has.

    Raises:
        SampleError: One of them is no number, or their shapes differ.
    """
    try:
        if isinstance(labels, list | tuple):
            # One by one: pooled domains may differ in whether a label is a tensor or a number.
            return torch.stack([torch.as_tensor(label) for label in labels])
        return from_array(labels) if isinstance(labels, np.ndarray) else torch.as_tensor(labels)
    except (TypeError, ValueError, RuntimeError) as error:
        found = str(list(labels)[:_SHOWN] if isinstance(labels, list | tuple) else labels).partition("\n")[0][:80]
        raise SampleError(f"Expected class indices as labels, found {found}. Number the classes from 0.") from error
