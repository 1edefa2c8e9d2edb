"""Two moons and their rotation: the toy of the DANN paper."""

import math
import re
import zlib
from typing import Any

import numpy as np
import torch
from sklearn.datasets import make_moons
from torch.utils.data import Dataset

from adapt.data.base import DomainDataModule, Split
from adapt.data.views import TensorDomain
from adapt.errors import AdaptError

_TEST_SEED = 10_000


class Moons(DomainDataModule):
    """Two interleaved half circles as the source, the same rotated about their centre as the target.

    Ganin et al., JMLR 2016, §5.1.1 (https://jmlr.org/papers/v17/15-239.html): 300 samples per domain, 35 degrees.
    Domains are `moons` and `moons_<degrees>`; every one is drawn anew, and so are the test sets.

    Args:
        source: One domain, or several to pool.
        target: The domain to adapt to.
        samples: Training samples per domain; as many for the test.
        noise: Standard deviation of the points around their half circle, whose radius is 1.
        **kwargs: See `DomainDataModule`.

    Raises:
        AdaptError: An argument is out of range.
    """

    known_domains = ("moons", "moons_<degrees>")
    class_names = ("upper", "lower")
    input_shape = (2,)

    def __init__(
        self,
        source: str | list[str] = "moons",
        target: str = "moons_35",
        samples: int = 300,
        noise: float = 0.1,
        **kwargs: Any,
    ) -> None:
        super().__init__(source, target, **kwargs)
        if samples < 4:
            raise AdaptError(f"Expected at least 4 samples, found {samples}.")
        self.samples, self.noise = samples, noise

    def check_domain(self, name: str) -> None:
        """Accept any whole number of degrees."""
        if re.fullmatch(r"moons(_-?\d+)?", name) is None:
            super().check_domain(name)

    def domain(self, name: str, split: Split) -> Dataset[tuple[Any, Any]]:
        """Points `(samples, 2)` around the origin."""
        seed = zlib.crc32(name.encode()) % _TEST_SEED + (_TEST_SEED if split == "test" else 0)
        points, labels = make_moons(self.samples, noise=self.noise, random_state=seed)
        angle = math.radians(float(name.partition("_")[2] or 0))
        turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
        # (0.5, 0.25) is the centre of the noiseless moons.
        x = torch.from_numpy((points - [0.5, 0.25]) @ turn).float()
        moons = TensorDomain(x, torch.from_numpy(labels))
        return moons if split == "test" else self.holdout(moons, split)
