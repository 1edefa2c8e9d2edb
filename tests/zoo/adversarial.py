"""The methods in which one part of the network works against another."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from adapt.data import TensorDomain
from adapt.methods import ADDA, CDAN, DALN, DANN, GVB, MCD, MDD, MME, SDAT, VADA, WDGRL, CoDATS, ToAlign
from adapt.penalties import BSP, Elastic
from adapt.schedules import InverseDecay
from tests.toy import CLASSES, SAMPLES, WIDTH, Shifted
from tests.zoo.case import UNWATCHED, Case


class Turned(Shifted):
    """Four classes around a circle, the target turned towards the next class: most of each is still recognised.

    What methods that trust the classifier's predictions on the target need, and what the large offset of `Shifted`,
    which throws whole classes onto others, takes from them.
    """

    def domain(self, name: str, split: str) -> Dataset[Any]:
        seed = 10 * self.known_domains.index(name) + (split == "test")
        dataset = TensorDomain(*turned_samples(seed, degrees=35.0 if name == "target" else 0.0))
        return dataset if split == "test" else self.holdout(dataset, split)


def turned_samples(seed: int, degrees: float) -> tuple[Tensor, Tensor]:
    y = torch.arange(SAMPLES) % CLASSES
    angle = 2 * math.pi * y / CLASSES + math.radians(degrees)
    means = torch.zeros(SAMPLES, WIDTH)
    means[:, 0], means[:, 1] = 3 * angle.cos(), 3 * angle.sin()
    x = means + 0.55 * torch.randn(SAMPLES, WIDTH, generator=torch.Generator().manual_seed(seed))
    axes, _ = torch.linalg.qr(torch.randn(WIDTH, WIDTH, generator=torch.Generator().manual_seed(99)))
    return x @ axes, y


# As in the papers, whose rates decay: at a constant rate the last steps of a minimax leave the solution again.
DECAY = {"lr_scheduler": lambda optimizer: InverseDecay(optimizer)}
SMALL = {"discriminator_hidden": 64, "discriminator_layers": 1}
BRIDGES = {"bridge_weight": 0.1, "discriminator_bridge_weight": 0.1}
HIDDEN = {"head_layers": 1, "head_hidden": 128, "head_dropout": 0.5}

CASES = {
    "CDAN": Case(CDAN, SMALL | DECAY, module=Turned),
    "CDAN+E": Case(CDAN, SMALL | DECAY | {"entropy": True}, module=Turned, resume=False),
    "CDAN, random map": Case(
        CDAN, SMALL | DECAY | {"max_product": 100, "random_features": 64}, module=Turned, resume=False
    ),
    "GVB": Case(GVB, SMALL | DECAY | UNWATCHED | BRIDGES, module=Turned),
    "ToAlign": Case(ToAlign, SMALL | DECAY | UNWATCHED | {"bottleneck": 32}, module=Turned),
    "MME": Case(MME, UNWATCHED | {"data": {"shots": 1}, "steps": 150}, module=Turned),
    "SDAT": Case(SDAT, SMALL | DECAY | UNWATCHED | {"sharpness": 0.05, "steps": 200}, module=Turned),
    "DANN, sharpness": Case(DANN, UNWATCHED | {"discriminator_hidden": 64, "sharpness": 0.05}, resume=False),
    "DALN": Case(DALN, DECAY | UNWATCHED, module=Turned),
    "MDD": Case(MDD, DECAY | {"head_hidden": 64}, module=Turned),
    "MCD": Case(MCD, module=Turned),
    "MCD, hidden layers": Case(MCD, DECAY | HIDDEN, module=Turned, resume=False),
    "MCD, sliced Wasserstein": Case(
        MCD, DECAY | HIDDEN | {"discrepancy": "sliced_wasserstein", "weight": 3.0}, module=Turned, resume=False
    ),
    "ADDA": Case(ADDA, DECAY | {"discriminator_hidden": 64}, after_source=True),
    "WDGRL": Case(WDGRL),
    "CoDATS": Case(CoDATS, SMALL | DECAY, module=Turned),
    "CoDATS, known shares": Case(
        CoDATS, SMALL | DECAY | {"proportions": [1.0, 1.0, 1.0, 1.0]}, module=Turned, resume=False
    ),
    "DANN + elastic": Case(DANN, {"discriminator_hidden": 64, "penalties": [Elastic(1e-4)]}, resume=False),
    "VADA": Case(VADA, SMALL | {"radius": 0.5}, module=Turned),
    "DANN, ELS": Case(DANN, DECAY | UNWATCHED | {"discriminator_hidden": 64, "domain_smoothing": 0.2}, resume=False),
    "DANN + BSP": Case(DANN, {"discriminator_hidden": 64, "penalties": [BSP()]}),
}
