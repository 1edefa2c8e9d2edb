"""Every method beats source-only, in a real Trainer, on a shift that it should mend."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch

from adapt.methods import CORAL, DANN, MMD, FineTuning, Method, SourceOnly, TargetOnly
from tests.toy import target_accuracy, train

SEEDS = (0, 1, 2)
SETTINGS: dict[str, tuple[type[Method], dict[str, Any]]] = {
    "source only": (SourceOnly, {}),
    "target only": (TargetOnly, {"data": {"shots": "all"}}),
    "fine-tuning": (FineTuning, {"data": {"shots": 5}}),
    "fine-tuning, gradual": (FineTuning, {"data": {"shots": 5}, "tune": "gradual"}),
    "DANN": (DANN, {"discriminator_hidden": 64}),
    "MMD": (MMD, {}),
    "MMD, both layers": (MMD, {"layers": ["features", "logits"]}),
    "MMD, TLlib's kernel": (MMD, {"kernel": "tllib"}),
    "MMD, biased": (MMD, {"estimator": "biased"}),
    "CORAL": (CORAL, {"weight": 10.0}),
    "CORAL, mean": (CORAL, {"weight": 10.0, "scale": "mean"}),
}


@cache
def accuracies(name: str) -> torch.Tensor:
    method, options = SETTINGS[name]
    found = []
    for seed in SEEDS:
        with TemporaryDirectory() as directory:
            found.append(target_accuracy(*train(method, Path(directory), seed, **options)))
    return torch.tensor(found)


@pytest.mark.parametrize("name", [name for name in SETTINGS if name != "source only"])
def test_it_beats_source_only_by_a_margin_in_every_seed(name: str) -> None:
    gain = accuracies(name) - accuracies("source only")
    assert gain.mean() > 0.08
    assert gain.min() > 0.03


def test_target_labels_are_an_upper_bound() -> None:
    best = accuracies("target only").mean()
    assert best > 0.95
    assert all(accuracies(name).mean() <= best + 0.01 for name in SETTINGS)
