"""Methods that start from a source run and never see the source again, on a shift that batch norm can undo."""

from typing import Any

from torch.utils.data import Dataset

from adapt.data import TensorDomain
from adapt.methods import DIRTT, NRC, SFDA2, SHOT, TENT, AaD, AdaBN, CoWAJMDS
from tests.zoo.case import UNWATCHED, Case
from tests.zoo.self_training import Turned, corners


class Faded(Turned):
    """Four clusters at the corners of a square; the target has 0.4 of their contrast and is moved along one side.

    What a darker and flatter picture is to a network: most of one class crosses the boundary of another, and the
    features' means and variances say by how much.
    """

    def domain(self, name: str, split: str) -> Dataset[Any]:
        seed = 10 * self.known_domains.index(name) + (split == "test")
        x, y = corners(seed, degrees=0)
        if name == "target":
            x = 0.4 * x
            x[:, 0] += 0.6
        dataset = TensorDomain(x, y)
        return dataset if split == "test" else self.holdout(dataset, split)


NORMALISED = {"bottleneck": 32}
CASES = {
    "AdaBN": Case(AdaBN, NORMALISED, after_source=True, module=Faded),
    "SHOT": Case(SHOT, NORMALISED, after_source=True, module=Faded),
    "SHOT, as its code": Case(SHOT, NORMALISED | {"centroids": "code"}, True, module=Faded, resume=False),
    "DIRTT": Case(DIRTT, {"radius": 0.5, "target_weight": 0.1, "interval": 50}, after_source=True, module=Turned),
    "NRC": Case(NRC, NORMALISED | UNWATCHED | {"steps": 150}, after_source=True, module=Faded),
    "AaD": Case(AaD, NORMALISED | UNWATCHED | {"steps": 150}, after_source=True, module=Faded),
    "SFDA2": Case(SFDA2, NORMALISED | UNWATCHED | {"steps": 150}, after_source=True, module=Faded),
    "CoWAJMDS": Case(CoWAJMDS, NORMALISED | UNWATCHED | {"steps": 150}, after_source=True, module=Faded),
    "CoWAJMDS, not mixed": Case(
        CoWAJMDS, NORMALISED | UNWATCHED | {"steps": 150, "mixing": 0.0}, True, module=Faded, resume=False
    ),
    "TENT": Case(TENT, NORMALISED, after_source=True, module=Faded),
    "TENT, running": Case(TENT, NORMALISED | {"evaluate_with": "running"}, True, module=Faded, resume=False),
}
