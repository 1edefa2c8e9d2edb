"""Labels as class indices, or one line that says what was found in their place."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from adapt.errors import AdaptError

_SHOWN = 5


class SampleError(AdaptError):
    """A sample that cannot be used.

    A loader's worker hands its errors on as one text with the whole traceback; of that, this keeps the last line.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message.rpartition(f"{type(self).__name__}: ")[2].strip())


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


def odd_labels(labels: Tensor, num_classes: int) -> Tensor:
    """Which of the labels `(N, ...)` are no class index 0..K−1, as booleans `(N,)`."""
    if labels.ndim != 1 or labels.is_complex():
        return torch.ones(len(labels) if labels.ndim else 1, dtype=torch.bool)
    whole = labels.long()
    outside = (whole < 0) | (whole >= num_classes)
    # NaN and infinity equal no whole number either.
    return outside | (whole != labels) if labels.is_floating_point() else outside


def class_indices(
    labels: Tensor, num_classes: int, where: str, positions: Sequence[int] | Tensor | None = None
) -> Tensor:
    """The labels as class indices `(N,)`, int64.

    Args:
        labels: What a dataset has as labels.
        num_classes: Number of classes K.
        where: Whose labels they are, for the message.
        positions: Where the samples stand in their dataset; 0 to N − 1 when None.

    Raises:
        SampleError: One of them is no class index 0..K−1. Cross-entropy leaves out −100 without a word, and a wrong
            index that is in range trains.
    """
    odd = odd_labels(labels, num_classes)
    if not odd.any():
        return labels.long()
    expected = f"Expected labels of {where} as class indices 0 to {num_classes - 1}"
    if labels.ndim != 1 or labels.is_complex():
        one_hot = labels.ndim == 2 and labels.shape[1] > 1
        mend = "One-hot labels become indices by y.argmax(1)." if one_hot else "Give one whole number for each sample."
        mend = "A column becomes indices by y[:, 0]." if labels.ndim == 2 and labels.shape[1] == 1 else mend
        raise SampleError(f"{expected}, one for each sample, found {labels.dtype} {tuple(labels.shape)}. {mend}")
    at = int(odd.nonzero()[0])
    values = dict.fromkeys(f"{value:g}" for value in torch.unique(labels[odd]).tolist())  # each NaN is unique
    found = ", ".join(list(values)[:_SHOWN])
    place = at if positions is None else int(positions[at])
    raise SampleError(
        f"{expected}, found {found} in {int(odd.sum())} of {len(labels)} samples, the first at position {place}. "
        + _mend(labels, num_classes)
    )


def _mend(labels: Tensor, num_classes: int) -> str:
    if labels.is_floating_point() and not (torch.isfinite(labels) & (labels == labels.floor())).all():
        return "Give whole numbers."
    values = set(torch.unique(labels).tolist())
    if values == {-1, 1} and num_classes == 2:
        return "Make −1 and 1 to 0 and 1."
    if min(values) >= 1 and max(values) == num_classes:
        return "They seem to start at 1: subtract 1."
    if min(values) < 0:
        return "Label these samples, or leave them out."
    return f"There are {num_classes} class names: name every class, or number the labels from 0."
