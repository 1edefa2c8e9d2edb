"""The examples in the docstrings: every loss, schedule and problem has one, and it says the truth."""

import doctest
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest

import adapt.estimation
import adapt.losses
import adapt.problems
import adapt.schedules
from adapt.problems import Classification, MultiLabel, Regression

_ESTIMATES = (
    *("agreement", "average_threshold_confidence", "confidence_optimal_transport", "difference_of_confidences"),
    *("importance_weighted", "nuclear_norm"),
)

SHOWN: list[Any] = [getattr(adapt.losses, name) for name in adapt.losses.__all__]
SHOWN += [Classification, MultiLabel, Regression, adapt.schedules.InverseDecay]
SHOWN += [getattr(adapt.estimation, name) for name in adapt.estimation.__all__ if name in _ESTIMATES]
SHOWN += [adapt.schedules.ganin_ramp, adapt.schedules.gaussian_ramp, adapt.schedules.tllib_ramp]


def of(module: ModuleType) -> doctest.TestResults:
    return doctest.testmod(module)


@pytest.mark.parametrize("name", sorted({shown.__module__ for shown in SHOWN}))
def test_the_examples_of_a_module_print_what_they_say(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = of(import_module(name))
    assert not found.failed, capsys.readouterr().out
    assert found.attempted


@pytest.mark.parametrize("shown", SHOWN, ids=lambda shown: shown.__name__)
def test_it_has_an_example_of_its_own(shown: Any) -> None:
    (example,) = [test for test in doctest.DocTestFinder(recurse=False).find(shown, shown.__name__) if test.examples]
    assert 2 <= len(example.examples) <= 6
    assert f"{shown.__name__}(" in example.docstring


def test_a_false_example_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    module = ModuleType("false", "Wrong.\n\n>>> 1 + 1\n3\n")
    assert of(module).failed == 1
    assert "Expected:\n    3\nGot:\n    2" in capsys.readouterr().out
