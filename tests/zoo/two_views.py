"""The mapping of two modalities, on a cue that only one of them has, and only in the source."""

from typing import Any

import torch
from torch.utils.data import Dataset

from adapt.backbones import Identity
from adapt.data import DomainDataModule, TensorDomain
from adapt.methods import CCA
from tests.zoo.case import Case

CLASSES, SHARED, CUE = 4, 3, 4
WIDTH = 6 + CUE


class TwoViews(DomainDataModule):
    """Both views see the class, dimly; the first view's cue tells it clearly in the source, and lies in the target."""

    known_domains = ("source", "target")
    class_names = tuple("abcd")
    input_shape = (WIDTH + 6,)

    def domain(self, name: str, split: str) -> Dataset[Any]:
        layout = torch.Generator().manual_seed(3)
        means = 1.6 * torch.nn.functional.normalize(torch.randn(CLASSES, SHARED, generator=layout), dim=1)
        looks = [torch.randn(SHARED, 6, generator=layout) for _ in range(2)]
        draw = torch.Generator().manual_seed(10 * self.known_domains.index(name) + (split == "test"))
        y = torch.arange(900) % CLASSES
        latent = means[y] + 0.35 * torch.randn(900, SHARED, generator=draw)
        told = y if name == "source" else torch.randint(CLASSES, (900,), generator=draw)
        cue = 3 * torch.eye(CUE)[told] + 0.3 * torch.randn(900, CUE, generator=draw)
        a, b = (latent @ look + 0.5 * torch.randn(900, 6, generator=draw) for look in looks)
        dataset = TensorDomain(torch.cat([a, cue, b], 1), y)
        return dataset if split == "test" else self.holdout(dataset, split)


FROZEN = {"backbone": Identity(TwoViews.input_shape), "optimizer": lambda p: torch.optim.Adam(p, lr=0.02)}
CASES = {"CCA": Case(CCA, FROZEN | {"components": SHARED, "split": WIDTH}, module=TwoViews)}
