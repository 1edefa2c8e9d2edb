"""Every method beats source-only, in a real Trainer, on a shift that it should mend."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch

from adapt.data import DomainDataModule
from adapt.methods import SourceOnly, TargetOnly
from adapt.schedules import InverseDecay
from tests.toy import Shifted
from tests.zoo import CASES, REPRESENTATIVE, Case

SEEDS = (0, 1, 2)
LEARN = [name for name, case in CASES.items() if case.learns]


@cache
def source_only(module: type[DomainDataModule], decay: bool, seeds: tuple[int, ...] = SEEDS) -> torch.Tensor:
    return _accuracies(Case(SourceOnly, {"lr_scheduler": InverseDecay} if decay else {}, module=module), seeds)


@cache
def with_target_labels(module: type[DomainDataModule]) -> torch.Tensor:
    return _accuracies(Case(TargetOnly, {"data": {"shots": "all"}}, module=module))


def _accuracies(case: Case, seeds: tuple[int, ...] = SEEDS) -> torch.Tensor:
    with TemporaryDirectory() as directory:
        return torch.tensor([case.accuracy(Path(directory, str(seed)), seed) for seed in seeds])


@pytest.mark.parametrize("name", [name for name in LEARN if name in REPRESENTATIVE])
def test_it_beats_source_only_in_one_seed(name: str) -> None:
    case, seed = CASES[name], SEEDS[:1]
    gain = _accuracies(case, seed) - source_only(case.module, "lr_scheduler" in case.options, seed)
    assert gain.min() > 0.03


@pytest.mark.slow
@pytest.mark.parametrize("name", LEARN)
def test_it_beats_source_only_by_a_margin_in_every_seed_and_not_the_target_s_own_labels(name: str) -> None:
    module = CASES[name].module
    found = _accuracies(CASES[name])
    gain = found - source_only(module, decay="lr_scheduler" in CASES[name].options)
    assert gain.mean() > 0.08
    assert gain.min() > 0.03
    assert found.mean() <= with_target_labels(module).mean() + 0.01


@pytest.mark.slow
def test_target_labels_end_near_perfect() -> None:
    assert with_target_labels(Shifted).mean() > 0.95
