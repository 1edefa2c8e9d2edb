"""Unit, bounds and direction of metrics. Imports nothing."""

import math
from dataclasses import dataclass

SHARE = "%"


@dataclass(frozen=True)
class Measure:
    """A metric's properties for tables.

    Attributes:
        name: The metric's name in results, such as `accuracy`.
        higher: Whether a higher value is better.
        unit: `%` for a share in [0, 1], which tables show in percent; otherwise the labels' unit, or empty.
        low: The lowest possible value; None if there is none.
        high: The highest possible value; None if there is none.
    """

    name: str
    higher: bool = True
    unit: str = SHARE
    low: float | None = 0.0
    high: float | None = 1.0

    @property
    def words(self) -> str:
        """The name in words."""
        return self.name.replace("_", " ")

    @property
    def share(self) -> bool:
        """Whether values lie in [0, 1] and are shown in percent."""
        return self.unit == SHARE

    @property
    def ends(self) -> tuple[float, float]:
        """Lowest and highest possible value."""
        return (-math.inf if self.low is None else self.low, math.inf if self.high is None else self.high)

    @property
    def difference_ends(self) -> tuple[float, float]:
        """Lowest and highest possible difference of two values."""
        low, high = self.ends
        return low - high, high - low

    def better(self, first: float, second: float) -> float:
        """By how much the first value is better than the second; negative if it is worse."""
        return first - second if self.higher else second - first


def wilson(right: float, samples: int) -> tuple[float, float]:
    """The 95% interval of an accuracy that was measured on some samples (Wilson, https://doi.org/10.2307/2276774).

    With p̂ = right / n and z = 1.96: (p̂ + z²/2n ± z √(p̂ (1 − p̂) / n + z²/4n²)) / (1 + z²/n). It says how far the
    accuracy of one network on new samples may lie from the one that was seen; other seeds vary beyond it.

    Args:
        right: Samples that were right.
        samples: All samples, at least one.

    Examples:
        >>> "{:.3f} to {:.3f}".format(*wilson(270, 300))
        '0.861 to 0.929'
    """
    share, z = right / samples, 1.959963984540054
    middle = share + z**2 / (2 * samples)
    width = z * math.sqrt(share * (1 - share) / samples + z**2 / (4 * samples**2))
    scale = 1 + z**2 / samples
    return max(0.0, (middle - width) / scale), min(1.0, (middle + width) / scale)


ACCURACY = Measure("accuracy")
"""The metric of results that do not name theirs."""
