"""Whether the predictions of a stream collapse into a few classes, seen without a label."""

from collections.abc import Sequence

import torch
from torch import Tensor

from adapt.monitor import Warned
from adapt.monitor.signs import lost_classes

KIND, PASSING = "stream_collapse", "stream_few_classes"

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

    Where they do so to the end, it is a collapse. Where the classes come back, as after a shift that is too hard for
    the network, the warning says this.

    Args:
        predictions: Predicted classes `(n,)` of the whole stream.
        batch_size: Samples per batch.
        classes: Number of classes K.
        window: Samples over which all classes are expected.
        method: Name of the method.
        learns: Whether it changed any weight.
    """
    found = stretches(losses(predictions, classes, window), classes)
    if not found:
        return None
    whole = len(predictions) // window
    start, end, lost = found[-1] if found[-1][1] == whole else max(found, key=lambda one: one[1] - one[0])
    where = f"{lost} of {classes} classes were hardly predicted"
    step = -(-(start + _PATIENCE) * window // batch_size)
    if end == whole:
        text = (
            f"From sample {start * window} to the end, predictions have collapsed: {where} in the last windows of "
            f"{window} samples. {_ADVICE[learns].format(method=method)}"
        )
        return Warned(step, KIND, text)
    text = (
        f"Between samples {start * window} and {end * window}, {where}; then they came back. This part of the stream "
        f"may be too hard for the network: compare {method} with BN-1 and Source there."
    )
    return Warned(step, PASSING, text)


def stretches(lost: Sequence[int], classes: int) -> list[tuple[int, int, int]]:
    """Runs of windows in which at least half of the classes are lost: first, one past the last, and the last's loss."""
    found: list[tuple[int, int, int]] = []
    start: int | None = None
    for number, count in enumerate([*lost, 0]):
        if 2 * count >= classes:
            start = number if start is None else start
        elif start is not None:
            if number - start >= _PATIENCE:
                found.append((start, number, lost[number - 1]))
            start = None
    return found


def losses(predictions: Tensor, classes: int, window: int) -> Sequence[int]:
    """How many classes are hardly predicted in each whole window."""
    found = []
    for start in range(0, len(predictions) - window + 1, window):
        counts = torch.bincount(predictions[start : start + window], minlength=classes)
        found.append(lost_classes(counts)[1])
    return found
