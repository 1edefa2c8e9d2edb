"""Random shares that are held out, whole groups at a time."""

from collections.abc import Mapping
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from adapt.errors import AdaptError

_Part = TypeVar("_Part", bound=str)


def held_out(
    rows: Tensor, groups: NDArray[np.str_] | None, fraction: float, seed: int, name: str
) -> tuple[Tensor, Tensor]:
    """A random share of some rows, and the others; groups stay whole.

    Args:
        rows: Row positions `(n,)`.
        groups: The group of every row of the domain, such as its patient; None where rows are drawn one by one.
        fraction: The share.
        seed: Seed of the draw.
        name: The domain, for the message.

    Raises:
        AdaptError: There is one group alone.

    Examples:
        >>> groups = np.array(["ann", "ann", "bob", "bob"])
        >>> [sorted(set(groups[part].tolist())) for part in held_out(torch.arange(4), groups, 0.5, 0, "ward")]
        [['bob'], ['ann']]
    """
    generator = torch.Generator().manual_seed(seed)
    if groups is None:
        order = torch.randperm(len(rows), generator=generator)
        held = max(1, round(fraction * len(rows)))
        return rows[order[:held]], rows[order[held:]]
    _, of_row = np.unique(groups[rows.numpy()], return_inverse=True)
    member = torch.from_numpy(of_row.reshape(-1))
    count = int(member.max()) + 1
    if count < 2:
        raise AdaptError(
            f"Expected groups to share out between the splits of {name!r}, found {count} group. Give more groups, "
            "a column of fixed splits, or no groups."
        )
    order = torch.randperm(count, generator=generator)
    sizes = torch.bincount(member, minlength=count)[order].cumsum(0)
    # As many groups as come nearest to the share, at least one, and never all.
    nearest = int((sizes - fraction * len(rows)).abs().argmin()) + 1
    chosen = torch.zeros(count, dtype=torch.bool)
    chosen[order[: min(nearest, count - 1)]] = True
    return rows[chosen[member]], rows[~chosen[member]]


def refuse_shared_groups(parts: Mapping[_Part, Tensor], groups: NDArray[np.str_] | None, name: str) -> None:
    """Refuse fixed splits of which two hold rows of one group.

    Args:
        parts: Row positions by split.
        groups: The group of every row of the domain; None where there are none.
        name: The domain, for the message.

    Raises:
        AdaptError: A group is in two splits.
    """
    seen: dict[str, _Part] = {}
    for part, at in parts.items():
        for group in sorted(set(groups[at.numpy()].tolist())) if groups is not None else []:
            if seen.setdefault(group, part) != part:
                raise AdaptError(
                    f"Expected each group of {name!r} in one split, found {group!r} in {seen[group]} and {part}. "
                    "Mend the split, or leave out --data.groups."
                )
