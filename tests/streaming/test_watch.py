"""When a stream is said to have collapsed."""

import torch

from adapt.streaming.watch import KIND, PASSING, collapse, losses, stretches


def stream(*parts: tuple[int, int]) -> torch.Tensor:
    """Pieces of 100 samples with so many of ten classes in turn."""
    return torch.cat([torch.arange(100 * count) % used for count, used in parts])


def test_all_classes_or_one_window_without_half_of_them_is_no_collapse() -> None:
    assert collapse(stream((6, 10)), 20, 10, 100, "TENT") is None
    assert collapse(stream((2, 10), (1, 3), (3, 10)), 20, 10, 100, "TENT") is None
    assert collapse(stream((6, 6)), 20, 10, 100, "TENT") is None  # four of ten are lost


def test_half_of_the_classes_lost_to_the_end_is_one() -> None:
    found = collapse(stream((3, 10), (3, 2)), 20, 10, 100, "TENT")
    assert found is not None
    assert found.kind == KIND
    assert found.step == 25
    assert "From sample 300 to the end" in found.text
    assert "8 of 10 classes" in found.text
    assert "lower its learning rate" in found.text
    learns_nothing = collapse(stream((3, 10), (3, 2)), 20, 10, 100, "LAME", learns=False)
    assert learns_nothing is not None
    assert "LAME learns nothing" in learns_nothing.text


def test_classes_that_come_back_are_another_warning() -> None:
    found = collapse(stream((1, 10), (3, 4), (2, 10)), 20, 10, 100, "TENT")
    assert found is not None
    assert found.kind == PASSING
    assert "Between samples 100 and 400, 6 of 10 classes" in found.text
    # A later collapse counts more than an earlier, longer part.
    later = collapse(stream((4, 4), (1, 10), (2, 3)), 20, 10, 100, "TENT")
    assert later is not None
    assert later.kind == KIND


def test_windows() -> None:
    assert list(losses(stream((1, 10), (1, 4)), 10, 100)) == [0, 6]
    assert stretches([0, 5, 6, 0, 9], 10) == [(1, 3, 6)]
    assert not losses(stream((1, 10))[:90], 10, 100)
