"""Whether the predictions of a stream collapse into a few classes, seen without a label."""

from collections.abc import Sequence

import torch
from torch import Tensor

from adapt.monitor import Warned
from adapt.monitor.signs import lost_classes

KIND = "stream_collapse"

# One window may lack classes by chance, or because the target does.
_PATIENCE = 2

_ADVICE = {
    True: "{method} follows its own predictions and seldom comes back by itself: lower its learning rate, give larger "
    "batches, or take EATA, SAR, CoTTA or ROID, which hold the weights back.",
    False: "{method} learns nothing, so it is these batches that do not suit it: compare with Source.",
}


def collapse(
    predictions: Tensor, batch_size: int, classes: int, window: int, method: str, learns: bool = True
) -> Warned | None:
    """The warning for a stream whose predictions leave out at least half of the classes, in two windows in a row.

    Args:
        predictions: Predicted classes `(n,)` of all samples so far.
        batch_size: Samples per batch.
        classes: Number of classes K.
        window: Samples over which all classes are expected.
        method: Name of the method.
        learns: Whether it changed any weight.
    """
    lost = losses(predictions, classes, window)
    for number in range(_PATIENCE - 1, len(lost)):
        if all(2 * count >= classes for count in lost[number - _PATIENCE + 1 : number + 1]):
            end = (number + 1) * window
            text = (
                f"At sample {end}, predictions have collapsed: {lost[number]} of {classes} classes were hardly "
                f"predicted among the last {window} samples. {_ADVICE[learns].format(method=method)}"
            )
            return Warned(-(-end // batch_size), KIND, text)
    return None


def losses(predictions: Tensor, classes: int, window: int) -> Sequence[int]:
    """How many classes are hardly predicted in each whole window."""
    found = []
    for start in range(0, len(predictions) - window + 1, window):
        counts = torch.bincount(predictions[start : start + window], minlength=classes)
        found.append(lost_classes(counts)[1])
    return found
