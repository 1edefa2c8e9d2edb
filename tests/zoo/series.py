"""The method that reads series, on beats of a sensor with two axes."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from adapt.backbones import CNN1D
from adapt.data import DomainDataModule, TensorDomain
from adapt.methods import Raincoat
from tests.zoo.case import UNWATCHED, Case

SAMPLES, LENGTH = 480, 32


class Beats(DomainDataModule):
    """Four rhythms; the target's sensor is turned, stronger, and has an offset."""

    known_domains = ("source", "target")
    class_names = tuple("abcd")
    input_shape = (2, LENGTH)

    def domain(self, name: str, split: str) -> Dataset[Any]:
        seed = 10 * self.known_domains.index(name) + (split == "test")
        dataset = TensorDomain(*beats(seed, turned=name == "target"))
        return dataset if split == "test" else self.holdout(dataset, split)


def beats(seed: int, turned: bool) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    y = torch.arange(SAMPLES) % 4
    time = 2 * math.pi * torch.arange(LENGTH) / LENGTH
    late = 0.3 * torch.randn(SAMPLES, 1, generator=draw)
    one = torch.sin((1 + y)[:, None] * time + late)
    two = 0.6 * torch.cos((1 + y)[:, None] * time + late)
    x = torch.stack([one, two], 1) + 0.4 * torch.randn(SAMPLES, 2, LENGTH, generator=draw)
    if turned:
        turn = math.radians(80)
        matrix = 1.4 * torch.tensor([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
        x = torch.einsum("ij,njt->nit", matrix, x) + torch.tensor([[0.8], [-0.5]])
    return x, y


def network() -> CNN1D:
    """A new one each time: it trains."""
    return CNN1D((2, LENGTH), width=8, num_features=16, dropout=0.0)


CASES = {
    "Raincoat": Case(
        Raincoat,
        UNWATCHED
        | {"backbone": network, "optimizer": lambda p: torch.optim.Adam(p, lr=5e-3), "steps": 200, "modes": 12},
        module=Beats,
    ),
}
