"""The methods for class sets that differ, and those for several sources."""

from typing import Any

import torch
from torch.utils.data import Dataset

from adapt.data import TensorDomain
from adapt.methods import DANCE, IWAN, M3SDA, MDAN, MFSAN, OSBP, PADA, OVANet
from adapt.problems import Classification
from tests.toy import Shifted, samples
from tests.zoo.adversarial import DECAY, SMALL, Turned, turned_samples
from tests.zoo.case import UNWATCHED, Case


class Partial(Turned):
    """The target has two of the source's four classes."""

    def __init__(self, source: str, target: str, **kwargs: Any) -> None:
        super().__init__(source, target, target_classes=["a", "b"], **kwargs)


class Open(Turned):
    """The source has the four classes of the circle, the target also one in its middle."""

    class_names = tuple("abcde")

    def __init__(self, source: str, target: str, **kwargs: Any) -> None:
        super().__init__(source, target, source_classes=list("abcd"), **kwargs)

    def domain(self, name: str, split: str) -> Dataset[Any]:
        seed = 10 * self.known_domains.index(name) + (split == "test")
        x, y = turned_samples(seed, degrees=35.0 if name == "target" else 0.0)
        middle = 0.55 * torch.randn(len(x) // 3, x.shape[1], generator=torch.Generator().manual_seed(seed + 500))
        dataset = TensorDomain(torch.cat([x, middle]), torch.cat([y, torch.full((len(middle),), 4)]))
        return dataset if split == "test" else self.holdout(dataset, split)


class TwoSources(Shifted):
    """The toy's source, and a second one that was moved the other way."""

    known_domains = ("source", "other", "target")

    def __init__(self, source: str, target: str, **kwargs: Any) -> None:
        super().__init__([source, "other"], target, **kwargs)

    def domain(self, name: str, split: str) -> Dataset[Any]:
        if name != "other":
            return super().domain(name, split)
        x, y = samples(50 + (split == "test"), shifted=False)
        dataset = TensorDomain(0.8 * x - 0.7, y)
        return dataset if split == "test" else self.holdout(dataset, split)


OPEN = {"problem": Classification(list("abcd"), "open")}

CASES = {
    "PADA": Case(PADA, SMALL | DECAY | {"every": 50}, module=Partial, learns=False),
    "IWAN": Case(IWAN, SMALL | DECAY | UNWATCHED | {"weight": 0.3}, module=Partial),
    "OSBP": Case(OSBP, OPEN | DECAY, module=Open, learns=False),
    "OVANet": Case(OVANet, OPEN | {"weight": 1.0}, module=Open, learns=False),
    "DANCE": Case(DANCE, OPEN, module=Open, learns=False),
    "M3SDA": Case(M3SDA, {"weight": 0.1}, module=TwoSources),
    "MFSAN": Case(MFSAN, {"width": 32}, module=TwoSources),
    "MDAN": Case(MDAN, {"discriminator_hidden": 64}, module=TwoSources),
}
