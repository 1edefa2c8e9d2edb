"""The method that reads texts, on made-up sentences of eight words."""

from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import torch
from torch.utils.data import Dataset

from adapt.backbones import TransformerBackbone
from adapt.data import DomainDataModule, TensorDomain
from adapt.methods import MaskedLanguage
from tests.texts import WORDS, make_encoder
from tests.zoo.case import Case


class Sentences(DomainDataModule):
    """Sentences of one of four words among others; the target has other words around it."""

    known_domains = ("source", "target")
    class_names = tuple("abcd")
    input_shape = (8,)

    def domain(self, name: str, split: str) -> Dataset[Any]:
        draw = torch.Generator().manual_seed(10 * self.known_domains.index(name) + (split == "test"))
        y = torch.arange(320) % 4
        low = 9 if name == "source" else 13
        ids = torch.randint(low, low + len(WORDS) - 8, (320, 8), generator=draw)
        ids[:, 0], ids[:, 3], ids[:, 7] = 2, 5 + y, 3  # [CLS], the word, [SEP]
        dataset = TensorDomain({"ids": ids, "mask": torch.ones_like(ids)}, y)
        return dataset if split == "test" else self.holdout(dataset, split)


def encoder() -> TransformerBackbone:
    """A new one each time, with the same weights."""
    return TransformerBackbone(str(make_encoder(Path(mkdtemp()))))


CASES = {"MaskedLanguage": Case(MaskedLanguage, {"backbone": encoder}, module=Sentences, learns=False)}
