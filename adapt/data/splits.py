"""Random shares that are held out, whole groups at a time."""

import hashlib
import unicodedata
import warnings
from collections import Counter
from collections.abc import Mapping
from typing import Any, TypeVar

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
        [['ann'], ['bob']]
    """
    generator = torch.Generator().manual_seed(seed)
    if groups is None:
        order = torch.randperm(len(rows), generator=generator)
        held = max(1, round(fraction * len(rows)))
        return rows[order[:held]], rows[order[held:]]
    (groups,) = in_one_form(groups)
    _, of_row = np.unique(alone(groups, name)[rows.numpy()], return_inverse=True)
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


def in_one_form(*groups: NDArray[np.str_]) -> list[NDArray[np.str_]]:
    """Groups with accents and blanks written in one way, where one name is written in two: a ü may be u and dots.

    Args:
        *groups: The group of every row, of each domain. As they are where no name has two forms.

    Examples:
        >>> [own.tolist() for own in in_one_form(np.array(["Jürgen"]), np.array(["Ju\u0308rgen", "Ann"]))]
        [['Jürgen'], ['Jürgen', 'Ann']]
    """
    forms = {group: unicodedata.normalize("NFC", group.strip()) for own in groups for group in set(own.tolist())}
    if len(set(forms.values())) == len(forms):
        return list(groups)
    return [np.array([forms[group] for group in own.tolist()], dtype=str) for own in groups]


def alone(groups: NDArray[np.str_], name: str) -> NDArray[np.str_]:
    """Groups in which every row without one is a group of its own, and not of one with all the others.

    Args:
        groups: The group of every row, empty where it has none.
        name: The domain, whose rows are no other one's.
    """
    if not (groups == "").any():
        return groups
    return np.array([group or f"\0{name} {row}" for row, group in enumerate(groups.tolist())], dtype=str)


def warn_of_no_group(groups: NDArray[np.str_] | None, name: str) -> None:
    """Warn where rows have no group although others have one.

    Args:
        groups: The group of every row of the domain, empty where it has none.
        name: The domain.
    """
    lacking = 0 if groups is None else int((groups == "").sum())
    if groups is not None and 0 < lacking < len(groups):
        warnings.warn(
            f"{lacking} of {len(groups)} rows of {name!r} have no group: each counts as one of its own.", stacklevel=2
        )


def shared_fates(
    domains: Mapping[str, NDArray[np.str_] | None],
    splits: Mapping[str, NDArray[np.str_] | None],
    test_fraction: float,
    val_fraction: float,
    seed: int,
) -> dict[str, str]:
    """For each group its split in all domains, where domains have groups in common; else nothing.

    A patient who was scanned in two hospitals must not be trained on in one and tested in the other. Groups are taken
    by the order of a hash of their names, until each domain has its share.

    Args:
        domains: Domain → the group of every row, empty where it has none.
        splits: Domain → the fixed split of every row; None where it is drawn.
        test_fraction: Share of a domain's rows that is for testing.
        val_fraction: Share of the others that is for validation.
        seed: Seed of the order.

    Examples:
        >>> wards = {"a": np.array(["ann", "bob", "cleo"]), "b": np.array(["bob", "cleo", "dan"])}
        >>> found = shared_fates(wards, {"a": None, "b": None}, 0.3, 0.3, 0)
        >>> sorted(found), sorted(found.values())
        (['ann', 'bob', 'cleo', 'dan'], ['test', 'test', 'train', 'val'])
    """
    known = _named_alike(domains)
    sizes = {name: Counter(own.tolist()) for name, own in known.items()}
    seen = Counter(group for own in sizes.values() for group in own)
    if max(seen.values(), default=0) < 2:
        return {}
    fates: dict[str, str] = {}
    for name, own in known.items():
        if (fixed := splits[name]) is not None:
            for group, split in zip(own.tolist(), fixed.tolist(), strict=True):
                if split:
                    fates.setdefault(group, split)
    order = sorted(seen, key=lambda group: hashlib.sha256(f"{seed} {group}".encode()).digest())
    drawn = {name: own for name, own in sizes.items() if splits[name] is None}
    for part, fraction in (("test", test_fraction), ("val", val_fraction)):
        rest = {n: {g: k for g, k in own.items() if fates.get(g) in (None, part, "train")} for n, own in drawn.items()}
        total = {name: sum(own.values()) for name, own in rest.items()}
        held = {name: sum(k for g, k in own.items() if fates.get(g) == part) for name, own in rest.items()}
        for group in (group for group in order if group not in fates):
            owners = [name for name in rest if group in rest[name]]
            wanted = any(held[n] + rest[n][group] / 2 <= fraction * total[n] or not held[n] for n in owners)
            spare = all(held[n] + rest[n][group] < total[n] for n in owners)
            if wanted and spare:
                fates[group] = part
                for name in owners:
                    held[name] += rest[name][group]
    return {group: fates.get(group, "train") for group in order}


def _named_alike(domains: Mapping[str, NDArray[np.str_] | None]) -> dict[str, NDArray[np.str_]]:
    given = {name: own for name, own in domains.items() if own is not None}
    return {name: alone(own, name) for name, own in zip(given, in_one_form(*given.values()), strict=True)}


def shared_rows(
    name: str,
    domains: Mapping[str, NDArray[np.str_] | None],
    splits: Mapping[str, NDArray[np.str_] | None],
    test_fraction: float,
    val_fraction: float,
    seed: int,
) -> dict[Any, Tensor]:
    """Row positions of a domain by split where domains have groups in common; else none.

    Args:
        name: The domain.
        domains: See `shared_fates`, as the others.
        splits: See there.
        test_fraction: See there.
        val_fraction: See there.
        seed: See there.
    """
    groups = domains.get(name)
    fates = {} if groups is None else shared_fates(domains, splits, test_fraction, val_fraction, seed)
    if groups is None or not fates:
        return {}
    own = np.array([fates[group] for group in _named_alike(domains)[name].tolist()])
    parts = {part: torch.from_numpy(np.flatnonzero(own == part)) for part in ("train", "val", "test")}
    return {part: at for part, at in parts.items() if len(at)}


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
    if groups is not None:
        (groups,) = in_one_form(groups)
    for part, at in parts.items():
        for group in sorted(set(groups[at.numpy()].tolist()) - {""}) if groups is not None else []:
            if seen.setdefault(group, part) != part:
                raise AdaptError(
                    f"Expected each group of {name!r} in one split, found {group!r} in {seen[group]} and {part}. "
                    "Mend the split, or leave out --data.groups."
                )
