"""A regulariser helps where a few labels spoil a good start, and costs little where they do not."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch
from torch.utils.data import Dataset

from adapt.data import DomainDataModule, TensorDomain
from adapt.methods import FineTuning, SourceOnly
from adapt.regularisers import BSS, DELTA, L2SP, CoTuning, Regulariser
from tests.toy import SAMPLES, WIDTH, Shifted, target_accuracy, train
from tests.zoo.self_training import corners

# The runs behind the tests are cached in the process that made them.
pytestmark = [pytest.mark.xdist_group("few shots"), pytest.mark.slow]

SEEDS = (0, 1, 2)
# The paper's weight of BSS is for batches of 48; its value shrinks with the batch, which is 4 samples here.
REGULARISERS: dict[str, Regulariser | None] = {
    "none": None,
    "L2SP": L2SP(),
    "DELTA": DELTA(),
    "BSS": BSS(weight=0.1),
    "CoTuning": CoTuning(),
}
NAMES = [name for name in REGULARISERS if name != "none"]


class Noisy(Shifted):
    """Four clusters at the corners of a square, turned by 15 degrees, and six inputs of much noise.

    A source network is right almost everywhere; a single sample of each class can be told apart by its noise.
    """

    def domain(self, name: str, split: str) -> Dataset[Any]:
        seed = 10 * self.known_domains.index(name) + (split == "test")
        x, y = corners(seed, degrees=15 if name == "target" else 0)
        x[:, 2:] = 3 * torch.randn(SAMPLES, WIDTH - 2, generator=torch.Generator().manual_seed(seed + 100))
        dataset = TensorDomain(x, y)
        return dataset if split == "test" else self.holdout(dataset, split)


@cache
def accuracies(module: type[DomainDataModule], shots: int, rate: float, steps: int) -> dict[str, torch.Tensor]:
    """Target accuracies over the seeds, of the source run too."""
    found: dict[str, list[float]] = {name: [] for name in ("source", *REGULARISERS)}
    for seed in SEEDS:
        with TemporaryDirectory() as directory:
            source = train(SourceOnly, Path(directory, "source"), seed, module=module)
            source[2].save_checkpoint(start := Path(directory, "source.ckpt"))
            found["source"].append(target_accuracy(*source))
            options: dict[str, Any] = {"module": module, "data": {"shots": shots}, "init_from": str(start)}
            options |= {"steps": steps, "optimizer": lambda p: torch.optim.Adam(p, lr=rate)}
            for name, regulariser in REGULARISERS.items():
                tuned = train(FineTuning, Path(directory, name), seed, regulariser=regulariser, **options)
                found[name].append(target_accuracy(*tuned))
    return {name: torch.tensor(values) for name, values in found.items()}


def test_one_shot_without_a_regulariser_spoils_a_good_start() -> None:
    found = accuracies(Noisy, 1, 1e-2, 200)
    assert found["none"].mean() < found["source"].mean() - 0.05


@pytest.mark.parametrize("name", NAMES)
def test_a_regulariser_beats_plain_tuning_in_every_seed_where_that_spoils_the_start(name: str) -> None:
    gain = accuracies(Noisy, 1, 1e-2, 200)[name] - accuracies(Noisy, 1, 1e-2, 200)["none"]
    assert gain.mean() > 0.04
    assert gain.min() > 0.02


@pytest.mark.parametrize("name", NAMES)
def test_a_regulariser_costs_little_where_the_target_lies_far_from_the_start(name: str) -> None:
    found = accuracies(Shifted, 3, 2e-3, 300)
    assert found[name].mean() > found["none"].mean() - 0.05
    assert found[name].mean() > found["source"].mean() + 0.08
