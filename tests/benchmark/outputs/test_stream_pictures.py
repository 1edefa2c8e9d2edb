"""The running accuracy of a stream, as its picture shows it."""

import numpy as np
from matplotlib.figure import Figure

from adapt.benchmark.outputs.pictures.streams import _mark_shifts, running_accuracy
from adapt.benchmark.results.streams import Batch, ShiftScore


def batches(sizes: list[int], shifts: list[str], right: list[int]) -> list[Batch]:
    ends = np.cumsum(sizes).tolist()
    return [
        Batch(end, shift, size, hits, 0.1, 0.9)
        for end, shift, size, hits in zip(ends, shifts, sizes, right, strict=True)
    ]


def test_a_short_last_batch_is_no_window_of_its_own() -> None:
    samples, values = running_accuracy(batches([32, 32, 2], ["a", "a", "a"], [16, 24, 0]))
    assert samples.tolist() == [32, 64, 66]
    np.testing.assert_allclose(values, [16 / 32, 24 / 32, 24 / 34])


def test_the_window_is_a_thirtieth_of_the_stream() -> None:
    samples, values = running_accuracy(batches([1] * 90, ["a"] * 90, [1] * 87 + [0, 0, 1]))
    assert samples[-1] == 90 and values[85] == 1 and values[-2] == 1 / 3


def test_a_shift_is_marked_where_it_begins_and_not_with_the_next_batch() -> None:
    axes = Figure().subplots()
    found = batches([32] * 4, ["a", "a", "b", "b"], [9] * 4)
    _mark_shifts(axes, found, [ShiftScore("a", 50, 50, 9), ShiftScore("b", 78, 78, 9)])
    assert [line.get_xdata()[0] for line in axes.lines] == [0, 50]  # type: ignore[index]
