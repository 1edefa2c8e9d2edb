"""Every method beats source-only, in a real Trainer, on a shift that it should mend."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch

from adapt.data import DomainDataModule
from adapt.methods import SourceOnly
from tests.zoo import CASES, Case

SEEDS = (0, 1, 2)
LEARN = [name for name, case in CASES.items() if case.learns]


@cache
def accuracies(name: str) -> torch.Tensor:
    return _accuracies(CASES[name])


@cache
def source_only(module: type[DomainDataModule]) -> torch.Tensor:
    return _accuracies(Case(SourceOnly, module=module))


def _accuracies(case: Case) -> torch.Tensor:
    with TemporaryDirectory() as directory:
        return torch.tensor([case.accuracy(Path(directory, str(seed)), seed) for seed in SEEDS])


@pytest.mark.parametrize("name", LEARN)
def test_it_beats_source_only_by_a_margin_in_every_seed(name: str) -> None:
    gain = accuracies(name) - source_only(CASES[name].module)
    assert gain.mean() > 0.08
    assert gain.min() > 0.03


def test_target_labels_are_an_upper_bound() -> None:
    best = accuracies("TargetOnly").mean()
    assert best > 0.95
    assert all(
        accuracies(name).mean() <= best + 0.01 for name in LEARN if CASES[name].module is CASES["TargetOnly"].module
    )
