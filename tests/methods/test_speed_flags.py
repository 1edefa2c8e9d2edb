"""`channels_last` and `compiled` change how fast a network is, and not what it learns."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from adapt.backbones import SmallCNN
from adapt.methods import DANN, SelfEnsembling
from tests.toy import train
from tests.zoo.pixel import Lit


def weights(method: Any, path: Path, **options: Any) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    # Adam would enlarge the rounding of gradients that are 0, such as those of a bias before batch norm.
    options["optimizer"] = lambda p: torch.optim.SGD(p, lr=0.05)
    network = {"backbone": SmallCNN(Lit.input_shape, width=8), "problem": len(Lit.class_names)}
    module, _, _ = train(method, path, module=Lit, steps=4, **network, **options)
    return dict(module.state_dict())


def close(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(
        torch.allclose(value.float(), other[name].float(), rtol=1e-3, atol=1e-4) for name, value in one.items()
    )


@pytest.mark.parametrize("method", [DANN, SelfEnsembling])
def test_channels_last_learns_the_same(method: Any, tmp_path: Path) -> None:
    assert close(weights(method, tmp_path / "a"), weights(method, tmp_path / "b", channels_last=True))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
@pytest.mark.parametrize("method", [DANN, SelfEnsembling])
def test_a_compiled_network_learns_the_same(method: Any, tmp_path: Path) -> None:
    assert close(weights(method, tmp_path / "a"), weights(method, tmp_path / "b", compiled=True))
