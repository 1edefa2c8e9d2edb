"""The methods for numbers, on the toy's shift with a number in place of a class."""

from typing import Any

from torch.utils.data import Dataset

from adapt.data import TensorDomain
from adapt.methods import DAREGRAM, RSD
from adapt.problems import Problem, Regression
from tests.toy import Shifted, samples
from tests.zoo.case import UNWATCHED, Case


class Numbers(Shifted):
    """The first coordinate before the shift, in a unit and around a value of its own."""

    @property
    def problem(self) -> Problem:
        return Regression(["place"], mean=[1000.0], std=[50.0])

    def domain(self, name: str, split: str) -> Dataset[Any]:
        seed = 10 * self.known_domains.index(name) + (split == "test")
        latent, _ = samples(seed, shifted=False)
        x, _ = samples(seed, shifted=name == "target")
        dataset = TensorDomain(x, latent[:, 0] * 50 + 1000)
        return dataset if split == "test" else self.holdout(dataset, split)


CASES = {
    # More features than samples in a batch, without which there are no subspaces.
    "RSD": Case(RSD, UNWATCHED | {"hidden": (32, 64), "data": {"batch_size": 16}}, module=Numbers, learns=False),
    "DAREGRAM": Case(DAREGRAM, UNWATCHED, module=Numbers),
}
