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
from tests.zoo import CASES, Case

SEEDS = (0, 1, 2)
# A method's further settings take as long as its first one, and rest on the same code.
FIRST = {case.method: name for name, case in reversed(CASES.items()) if case.learns}
LEARN = [
    pytest.param(name, marks=[] if FIRST[case.method] == name else [pytest.mark.slow])
    for name, case in CASES.items()
    if case.learns
]


@cache
def source_only(module: type[DomainDataModule], decay: bool) -> torch.Tensor:
    return _accuracies(Case(SourceOnly, {"lr_scheduler": InverseDecay} if decay else {}, module=module))


@cache
def with_target_labels(module: type[DomainDataModule]) -> torch.Tensor:
    return _accuracies(Case(TargetOnly, {"data": {"shots": "all"}}, module=module))


def _accuracies(case: Case) -> torch.Tensor:
    with TemporaryDirectory() as directory:
        return torch.tensor([case.accuracy(Path(directory, str(seed)), seed) for seed in SEEDS])


@pytest.mark.parametrize("name", LEARN)
def test_it_beats_source_only_by_a_margin_in_every_seed_and_not_the_target_s_own_labels(name: str) -> None:
    module = CASES[name].module
    found = _accuracies(CASES[name])
    gain = found - source_only(module, decay="lr_scheduler" in CASES[name].options)
    assert gain.mean() > 0.08
    assert gain.min() > 0.03
    assert found.mean() <= with_target_labels(module).mean() + 0.01


def test_target_labels_end_near_perfect() -> None:
    assert with_target_labels(Shifted).mean() > 0.95
