"""Means and standard deviations of inputs, which a checkpoint keeps for new data."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

_FEW_DIGITS = 8
"""Units in the last place that rounding may leave of a feature that never changes."""


def scale(std: Tensor, x: Tensor, dim: int, keepdim: bool = False) -> Tensor:
    """What to divide by: the standard deviation, and 1 where a feature never changes but for what rounding left.

    Each feature is judged by its own size: one in millions must not hide the spread of one in hundredths.

    Args:
        std: Standard deviations of `x` along `dim`.
        x: The inputs.
        dim: The axis of the samples.
        keepdim: Whether `std` has kept it.
    """
    low, high = x.amin(dim, keepdim), x.amax(dim, keepdim)
    rounding = _FEW_DIGITS * torch.finfo(x.dtype).eps * torch.maximum(low.abs(), high.abs())
    return torch.where(high - low > rounding, std, torch.ones_like(std))


class Statistics(NamedTuple):
    """What inputs are standardised with: per feature of vectors, per channel of other inputs.

    Attributes:
        mean: Means `(d,)`.
        std: Standard deviations `(d,)`, 1 where there is no spread.
    """

    mean: Tensor
    std: Tensor

    @classmethod
    def of(cls, x: Tensor) -> "Statistics":
        """Those of inputs `(N, d, ...)`.

        Inputs that are not finite are left out, where others are: they would spoil all, and are refused by themselves.
        """
        finite = torch.isfinite(x).flatten(1).all(1)
        x = x[finite] if finite.any() and not finite.all() else x
        rows = x.transpose(1, -1).reshape(-1, x.shape[1]) if x.ndim > 2 else x
        return cls(rows.mean(0), scale(rows.std(0), rows, 0))

    def applied(self, x: Tensor) -> Tensor:
        """Standardised inputs `(N, d, ...)`."""
        shape = (-1, *[1] * (x.ndim - 2))
        return (x - self.mean.view(shape)) / self.std.view(shape)

    def plain(self) -> dict[str, list[float]]:
        """As a checkpoint keeps them."""
        return {"mean": self.mean.tolist(), "std": self.std.tolist()}

    @classmethod
    def of_plain(cls, values: Mapping[str, Any]) -> "Statistics":
        """Out of a checkpoint."""
        return cls(torch.tensor(values["mean"]), torch.tensor(values["std"]))
