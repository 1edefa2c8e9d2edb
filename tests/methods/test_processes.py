"""Two processes with half a batch each take the steps of one process with the whole batch."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from adapt.methods import AdaBN, Method
from tests.zoo import CASES

# Batch norm looks at its process's share unless it is told otherwise (`trainer.sync_batchnorm`, on GPUs), and random
# changes of the inputs are drawn for as many samples as a process has.
PLAIN: dict[str, dict[str, Any]] = {
    **{name: {"bottleneck": None} for name in CASES if name.startswith(("AFN", "SHOT", "SelfEnsembling"))},
}
for _name in CASES:
    if _name.startswith("SelfEnsembling"):
        PLAIN[_name] = PLAIN[_name] | {"augmentation": nn.Identity()}
    if _name.startswith("FixMatch"):
        PLAIN[_name] = {"weak": nn.Identity(), "strong": nn.Identity(), "threshold": 0.3}
NORMALISED = [name for name, case in CASES.items() if case.method.__name__ in ("TENT", "AdaBN")]
QUICK = ["MMD", "MCD"]


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def steps(name: str, path: Path, processes: int, **options: Any) -> Method:
    case = CASES[name]
    trainer: dict[str, Any] = {"precision": "64-true", "limit_val_batches": 0, "num_sanity_val_steps": 0}
    if processes > 1:
        # Forked ones have this process's imports and random numbers.
        trainer |= {"devices": processes, "strategy": "ddp_fork"}
    data = {"batch_size": 64 // processes} | case.options.get("data", {})
    sgd = {"optimizer": lambda p: torch.optim.SGD(p, lr=0.05), "steps": 4}
    trained, _, _ = case.train(path, trainer=trainer, **sgd | PLAIN.get(name, {}) | options | {"data": data})
    return trained


def assert_two_are_one(name: str, path: Path) -> None:
    one, two = (steps(name, path / str(k), k).state_dict() for k in (1, 2))
    assert one.keys() == two.keys()
    for key, expected in one.items():
        torch.testing.assert_close(two[key], expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", QUICK)
def test_two_processes_are_one(name: str, tmp_path: Path) -> None:
    assert_two_are_one(name, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in CASES if name not in [*QUICK, *NORMALISED]])
def test_two_processes_are_one_for_every_method(name: str, tmp_path: Path) -> None:
    assert_two_are_one(name, tmp_path)
