"""Domains whose inputs name their sample: x = 1000 · domain + position, y = position mod 3."""

from collections.abc import Sequence
from typing import Any

import torch
from torch.utils.data import Dataset

from adapt.data import DomainDataModule, TensorDomain


class Numbered(DomainDataModule):
    known_domains: Sequence[str] = ("a", "b", "c")
    class_names = ("x", "y", "z")
    input_shape = (1,)
    sizes: dict[str, int] = {"a": 100, "b": 40, "c": 30}  # noqa: RUF012  # a test replaces it on the instance

    def domain(self, name: str, split: str) -> Dataset[Any]:
        size = self.sizes[name]
        offset = 1000 * self.known_domains.index(name) + (500 if split == "test" else 0)
        data = TensorDomain(torch.arange(offset, offset + size)[:, None].float() + 1, torch.arange(size) % 3)
        return data if split == "test" else self.holdout(data, split)


def ready(*args: Any, **kwargs: Any) -> Numbered:
    data = Numbered(*args, **{"batch_size": 8} | kwargs)
    data.setup("fit")
    return data
