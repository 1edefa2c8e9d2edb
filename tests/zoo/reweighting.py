"""The methods that weight the source's samples, on a shift of the inputs' density alone."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from adapt.data import DomainDataModule, TensorDomain
from adapt.methods import ImportanceWeighting, LabelShift
from tests.toy import CLASSES, SAMPLES, WIDTH
from tests.zoo.case import Case


class Rare(DomainDataModule):
    """Four classes around a circle, which turns by half as a third coordinate z crosses 0: p(y | x) is one for both.

    The source has z around −1.6 and one sample in twenty above 0, the target z around 1: its rule can be learned from
    the source, whose other samples speak against it.
    """

    known_domains = ("source", "target")
    class_names = tuple("abcd")
    input_shape = (WIDTH,)

    def domain(self, name: str, split: str) -> Dataset[Any]:
        seed = 10 * self.known_domains.index(name) + (split == "test")
        dataset = TensorDomain(*turning(seed, *((1.0, 0.5) if name == "target" else (-1.6, 1.0))))
        return dataset if split == "test" else self.holdout(dataset, split)


def turning(seed: int, mean: float, spread: float) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(SAMPLES) % CLASSES
    z = mean + spread * torch.randn(SAMPLES, generator=generator)
    angle = 2 * math.pi * y / CLASSES + math.pi * torch.sigmoid(4 * z)
    x = 0.45 * torch.randn(SAMPLES, WIDTH, generator=generator)
    x[:, 0] += 2 * angle.cos()
    x[:, 1] += 2 * angle.sin()
    x[:, 2] = z
    return x, y


class Priors(DomainDataModule):
    """Label shift: four overlapping classes, of which the source's most frequent is the target's rarest."""

    known_domains = ("source", "target")
    class_names = tuple("abcd")
    input_shape = (WIDTH,)
    shares = (0.6, 0.2, 0.12, 0.08)

    def domain(self, name: str, split: str) -> Dataset[Any]:
        seed = 10 * self.known_domains.index(name) + (split == "test")
        dataset = TensorDomain(*shared(seed, self.shares if name == "source" else self.shares[::-1]))
        return dataset if split == "test" else self.holdout(dataset, split)


def shared(seed: int, shares: Sequence[float]) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    y = torch.multinomial(torch.tensor(shares), 2 * SAMPLES, replacement=True, generator=generator)
    x = torch.randn(2 * SAMPLES, WIDTH, generator=generator)
    x[:, :CLASSES] += 1.8 * torch.eye(CLASSES)[y]
    return x, y


# Less than half of the training before the weights, so that a run that is cut in its middle has them already.
EARLY = {"source_fraction": 0.3}
CASES = {
    # Unbounded, the logistic weights rest on four samples here.
    "ImportanceWeighting": Case(ImportanceWeighting, EARLY | {"max_weight": 20.0}, module=Rare),
    "ImportanceWeighting, KMM": Case(ImportanceWeighting, EARLY | {"estimator": "kmm"}, module=Rare, resume=False),
    "ImportanceWeighting, KLIEP": Case(ImportanceWeighting, EARLY | {"estimator": "kliep"}, module=Rare, resume=False),
    "ImportanceWeighting, RuLSIF": Case(
        ImportanceWeighting, EARLY | {"estimator": "rulsif"}, module=Rare, resume=False
    ),
    "LabelShift": Case(LabelShift, EARLY, module=Priors),
    "LabelShift, BBSE": Case(LabelShift, EARLY | {"estimator": "bbse"}, module=Priors, resume=False),
    "LabelShift, soft BBSE": Case(LabelShift, EARLY | {"estimator": "bbse_soft"}, module=Priors, resume=False),
}
