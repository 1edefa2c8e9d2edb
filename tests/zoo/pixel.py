"""The methods that change the source's pixels, on shifts of light and of paint that leave the objects what they are."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from adapt.data import DomainDataModule, TensorDomain
from adapt.methods import FDA, MIC, StyleTransfer
from adapt.penalties import MinEnt
from tests.toy import CLASSES
from tests.zoo.adversarial import DECAY
from tests.zoo.adversarial import SMALL as NARROW
from tests.zoo.case import UNWATCHED, Case

SIDE = 16
# What each class is photographed in: the source's cue that the target does not have.
TINTS = torch.tensor([[0.12, 0.0, -0.12], [-0.12, 0.12, 0.0], [0.0, -0.12, 0.12], [0.1, -0.1, 0.1]])


class Lit(DomainDataModule):
    """Fine stripes in four directions; in the source each class is seen in a light of its own, in the target in any.

    The stripes lie in frequency 4 and above, the light in 0 and 1. Whoever learns the light fails on the target, and
    amplitudes that come from target images have none of it.
    """

    known_domains = ("source", "target")
    class_names = tuple("abcd")
    input_shape = (3, SIDE, SIDE)
    samples = 500

    def domain(self, name: str, split: str) -> Dataset[Any]:
        generator = torch.Generator().manual_seed(10 * self.known_domains.index(name) + (split == "test"))
        y = torch.arange(self.samples) % CLASSES
        x = self.images(y, name == "target", generator)
        dataset = TensorDomain((255 * x).round().clamp(0, 255).to(torch.uint8), y)
        return dataset if split == "test" else self.holdout(dataset, split)

    def images(self, y: Tensor, shifted: bool, generator: torch.Generator) -> Tensor:
        stripes = torch.stack([wave(4, 0), wave(0, 4), wave(4, 4), wave(4, -4)])[y]
        ground = torch.tensor([0.6, 0.5, 0.4] if shifted else [0.45, 0.45, 0.45]) + 0.3 * tints(y, shifted, generator)
        light = torch.zeros(len(y), SIDE, SIDE)
        for k, m in ((1, 0), (0, 1)):
            phase = 2 * math.pi * torch.rand(len(y), 1, 1, generator=generator)
            light += (0.1 if shifted else 0.03) * wave(k, m, phase)
        x = ground[:, :, None, None] * (1 + light[:, None]) + 0.05 * stripes[:, None]
        return x + 0.25 * torch.randn(x.shape, generator=generator)


class Painted(Lit):
    """A bright disc in one of four corners; in the source each class is on a ground of its own colour, in the target on
    a woven one of any colour.

    Gram matrices carry the ground's colour and weave, and not where the disc is.
    """

    samples = 300

    def images(self, y: Tensor, shifted: bool, generator: torch.Generator) -> Tensor:
        rows, columns = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
        place = torch.stack([4 + 8 * (y // 2), 4 + 8 * (y % 2)], 1) + 1.5 * torch.randn(len(y), 2, generator=generator)
        away = (rows - place[:, 0, None, None]).square() + (columns - place[:, 1, None, None]).square()
        ground = torch.tensor([0.65, 0.45, 0.35] if shifted else [0.35, 0.4, 0.45]) + tints(y, shifted, generator)
        x = ground[:, :, None, None] + 0.2 * (away < 9).float()[:, None] + (0.08 * wave(4, 4) if shifted else 0.0)
        return x + 0.1 * torch.randn(x.shape, generator=generator)


class Surrounded(Lit):
    """Stripes in one corner say the class; in the target they are faint, and what is around says it as well.

    In the source the surroundings are those of any class, so that a source network looks at the corner alone.
    """

    samples = 400

    def transform(self, x: Tensor) -> Tensor:
        floats: Tensor = super().transform(x)
        return (floats - 0.5) / 0.25

    def images(self, y: Tensor, shifted: bool, generator: torch.Generator) -> Tensor:
        stripes = torch.stack([wave(2, 0), wave(0, 2), wave(2, 2), wave(2, -2)])
        x = 0.15 * stripes[y if shifted else torch.randint(CLASSES, y.shape, generator=generator)]
        x[:, :8, :8] = (0.05 if shifted else 0.25) * stripes[y, :8, :8]
        return 0.5 + x[:, None] + 0.2 * torch.randn(len(y), 3, SIDE, SIDE, generator=generator)


def tints(y: Tensor, shifted: bool, generator: torch.Generator) -> Tensor:
    """The colour of each image `(N, 3)`: its class's, or anyone's."""
    drawn = torch.randint(CLASSES, (len(y),), generator=generator)
    return TINTS[drawn if shifted else y] + 0.03 * torch.randn(len(y), 3, generator=generator)


def wave(k: int, m: int, phase: Tensor | float = 0.0) -> Tensor:
    """A cosine of k periods down and m across."""
    t = 2 * math.pi * torch.arange(SIDE) / SIDE
    return torch.cos(k * t[:, None] + m * t + phase)


# A random network, which needs no file. The source's own colours are the false cue, so that no original is kept.
SMALL = {"pretrained": False, "style_layers": [1, 3], "content_layer": 3, "paint_steps": 20, "rate": 0.05}
SMALL |= {"paint_batch": 150, "style_weight": 10.0, "smoothness": 1.0, "keep": 0.0}
CASES = {
    "FDA": Case(FDA, {"beta": 0.09}, module=Lit),
    "FDA, no entropy": Case(FDA, {"beta": 0.09, "entropy_weight": 0.0}, module=Lit, resume=False),
    # From a source run: with the labels of an untrained network classes are given up.
    "MIC": Case(MIC, UNWATCHED | NARROW | DECAY | {"weight": 0.1, "steps": 150}, True, module=Surrounded),
    "StyleTransfer": Case(StyleTransfer, SMALL, module=Painted),
    "StyleTransfer with MinEnt": Case(StyleTransfer, SMALL | {"penalties": [MinEnt()]}, module=Painted, resume=False),
}
