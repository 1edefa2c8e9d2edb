"""Two tasks on the embedded digits that are no classification: how far one is turned, and which ones are there."""

from functools import cached_property, lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from adapt.data.base import DomainDataModule, Split
from adapt.data.optdigits import SIZE, optdigits
from adapt.data.views import TensorDomain
from adapt.errors import AdaptError
from adapt.problems import MultiLabel, Problem, Regression

_DOMAINS = ("optdigits", "optdigits_photo", "optdigits_inverted")


class TurnedDigits(DomainDataModule):
    """Regression: by how many degrees a handwritten digit is turned, on black or pasted over photographs.

    Images `(3, 16, 16)` of the domains of `Digits` that scikit-learn carries; every digit is turned by its own angle,
    which is always the same one.

    Args:
        source: One domain, or several to pool.
        target: The domain to adapt to.
        degrees: Largest angle, to either side.
        **kwargs: See `DomainDataModule`.

    Raises:
        AdaptError: An argument is out of range.
    """

    known_domains = _DOMAINS
    input_shape = (3, SIZE, SIZE)

    def __init__(
        self,
        source: str | list[str] = "optdigits",
        target: str = "optdigits_photo",
        degrees: float = 45.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(source, target, **kwargs)
        if not 0 < degrees <= 180:
            raise AdaptError(f"Expected degrees above 0 and at most 180, found {degrees}.")
        self.degrees = degrees

    @cached_property
    def problem(self) -> Problem:
        """The angle in degrees, with the mean and the spread of the source's."""
        labels = torch.cat([optdigits(name, True, self.degrees).y for name in self.sources])
        return Regression.of(["degrees"], labels)

    def domain(self, name: str, split: Split) -> Dataset[tuple[Any, Any]]:
        """The turned digits of one domain, as bytes in three channels."""
        turned = optdigits(name, split != "test", self.degrees)
        images = TensorDomain(turned.x.expand(-1, 3, -1, -1), turned.y)
        return images if split == "test" else self.holdout(images, split)

    def transform(self, x: Tensor) -> Tensor:
        """Bytes to floats in [−1, 1]."""
        return (x / 255 - 0.5) / 0.5


class DigitPairs(DomainDataModule):
    """Several labels at once: which of the ten digits are in a picture of two, on black or pasted over photographs.

    Images `(3, 16, 32)`: two digits of one domain side by side, the second one drawn with a fixed seed. Labels `(10,)`
    are 1 for the digits that are there; one alone where both are the same.

    Args:
        source: One domain, or several to pool.
        target: The domain to adapt to.
        **kwargs: See `DomainDataModule`.
    """

    known_domains = _DOMAINS
    class_names = tuple("0123456789")
    input_shape = (3, SIZE, 2 * SIZE)

    def __init__(self, source: str | list[str] = "optdigits", target: str = "optdigits_photo", **kwargs: Any) -> None:
        super().__init__(source, target, **kwargs)

    @property
    def problem(self) -> Problem:
        """Ten labels, each there or not."""
        return MultiLabel(self.class_names)

    def domain(self, name: str, split: Split) -> Dataset[tuple[Any, Any]]:
        """The pairs of one domain, as bytes in three channels."""
        pairs = _pairs(name, split != "test")
        return pairs if split == "test" else self.holdout(pairs, split)

    def transform(self, x: Tensor) -> Tensor:
        """Bytes to floats in [−1, 1]."""
        return (x / 255 - 0.5) / 0.5


@lru_cache(maxsize=4)
def _pairs(name: str, train: bool) -> TensorDomain:
    digits = optdigits(name, train)
    # Three pictures of each digit: one pairing alone would be few samples for ten labels.
    first = torch.arange(len(digits)).repeat(3)
    generator = torch.Generator().manual_seed(int(train))
    second = torch.randint(len(digits), (len(first),), generator=generator)
    x = torch.cat([digits.x[first], digits.x[second]], 3).expand(-1, 3, -1, -1)
    y = torch.zeros(len(first), 10, dtype=torch.long)
    y[torch.arange(len(first)), digits.y[first]] = 1
    y[torch.arange(len(first)), digits.y[second]] = 1
    return TensorDomain(x, y)
