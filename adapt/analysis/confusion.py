"""Confusion matrices as pictures."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from adapt.analysis.drawing import INK, new_figure
from adapt.errors import AdaptError

_MOST_NUMBERS, _MOST_NAMES = 12, 40


def confusion_matrix(
    y: npt.NDArray[np.integer], predicted: npt.NDArray[np.integer], count: int
) -> npt.NDArray[np.int64]:
    """Counts `(K, K)`: row = true class, column = predicted class."""
    return np.bincount(y * count + predicted, minlength=count * count).reshape(count, count).astype(np.int64)


def draw_confusion(axes: Axes, matrix: npt.NDArray[np.integer], class_names: Sequence[str]) -> None:
    """Draw a matrix of counts as row percentages: how each true class was predicted.

    Raises:
        AdaptError: When the matrix and the class names differ in size.
    """
    count = len(class_names)
    if matrix.shape != (count, count):
        raise AdaptError(
            f"Expected a confusion matrix of {count} × {count} for {count} class names, found {matrix.shape}."
        )
    share = 100 * matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=100)
    if count <= _MOST_NUMBERS:
        for (i, j), value in np.ndenumerate(share):
            if value >= 0.5:
                axes.text(j, i, f"{value:.0f}", ha="center", va="center", fontsize=7, color="w" if value > 55 else INK)
    if count <= _MOST_NAMES:
        size = 8 if count <= _MOST_NUMBERS else 5
        upright = max(map(len, class_names)) <= 2
        axes.set_xticks(range(count), class_names, fontsize=size, rotation=0 if upright else 90)
        axes.set_yticks(range(count), class_names, fontsize=size)
    else:
        axes.set(xticks=[], yticks=[])
    axes.set_xlabel("predicted class", fontsize=8)
    axes.set_ylabel("true class", fontsize=8)
    axes.tick_params(length=0)


def confusion_figure(matrix: npt.NDArray[np.integer], class_names: Sequence[str], title: str) -> Figure:
    """A confusion matrix of counts `(K, K)`, coloured and numbered in percent of each row.

    Raises:
        AdaptError: When the matrix and the class names differ in size.
    """
    figure = new_figure(5.0, 5.0)
    axes = figure.subplots()
    draw_confusion(axes, matrix, class_names)
    axes.set_title(title, fontsize=10)
    return figure
