"""VADA says when its perturbation is longer than what lies between samples."""

import warnings
from pathlib import Path

import pytest

from adapt.methods import VADA
from tests.toy import train


def test_a_radius_beyond_the_samples_own_distance_is_warned_of_once(tmp_path: Path) -> None:
    with pytest.warns(
        UserWarning, match=r"VADA perturbs by 50 inputs that are .* apart.* Try --model.radius 0\.\d"
    ) as said:
        train(VADA, tmp_path, steps=3, radius=50.0)
    assert sum("perturbs" in str(warning.message) for warning in said) == 1


def test_a_small_radius_is_not(tmp_path: Path) -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        train(VADA, tmp_path, steps=3, radius=0.2)
    assert not [warning for warning in said if "perturbs" in str(warning.message)]
