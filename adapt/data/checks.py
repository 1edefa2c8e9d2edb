"""Refusals at setup: what would otherwise train without complaint and end in a wrong number."""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import ConcatDataset, Dataset, Subset

from adapt.data.views import fetch, in_memory
from adapt.errors import AdaptError

_SAMPLES = 256
_RATIO = 50.0


def check_class_names(classes: Mapping[str, Sequence[str]]) -> None:
    """Refuse domains whose class lists differ, naming the classes that only one of them has.

    Args:
        classes: Class names by domain.

    Raises:
        AdaptError: Two domains differ.
    """
    for (one, a), (other, b) in combinations(classes.items(), 2):
        if list(a) == list(b):
            continue
        only = [
            f"only {name!r} has {', '.join(sorted(more))}"
            for name, more in ((one, set(a) - set(b)), (other, set(b) - set(a)))
            if more
        ]
        found = "; ".join(only) or "their order differs"
        raise AdaptError(
            f"Expected the same classes in {one!r} and {other!r}, found that {found}. "
            "Remove or rename these classes, or choose another pair."
        )


def check_finite_and_comparable(domains: Mapping[str, Dataset[Any]], transform: Callable[[Tensor], Tensor]) -> None:
    """Refuse NaN or infinite inputs, and domains whose value ranges differ by a factor of 50 or more.

    A domain in 0–255 beside one in 0–1 trains, and costs tens of points without a sign of it. Domains in memory are
    checked whole for NaN, others on 256 samples spread over the set.

    Args:
        domains: Training sets by domain name.
        transform: What the datamodule does to a batch of inputs.

    Raises:
        AdaptError: Names the domain, and the sample or the ranges.
    """
    ranges: dict[str, tuple[float, float]] = {}
    for name, dataset in domains.items():
        size = len(dataset)  # type: ignore[arg-type]  # torch's Dataset does not declare __len__
        sample = torch.linspace(0, size - 1, min(size, _SAMPLES)).long().tolist()
        x = transform(fetch(dataset, sample)[0])
        ranges[name] = (float(x.min()), float(x.max()))
        whole = in_memory(dataset)
        positions, inputs = (range(size), whole[0]) if whole is not None else (sample, x)
        if inputs.is_floating_point():
            bad = (~torch.isfinite(inputs)).flatten(1).any(1).nonzero().flatten()
            if len(bad):
                raise AdaptError(
                    f"Expected finite inputs, found NaN or infinity in {len(bad)} training samples of {name!r}, "
                    f"the first at position {positions[int(bad[0])]}. Repair or drop these samples."
                )
    for (one, (low, high)), (other, (floor, ceiling)) in combinations(ranges.items(), 2):
        a, b = high - low, ceiling - floor
        if max(a, b) > _RATIO * min(a, b):
            raise AdaptError(
                f"Expected inputs on one scale, found {one!r} in [{low:.3g}, {high:.3g}] and {other!r} in "
                f"[{floor:.3g}, {ceiling:.3g}]. Bring both domains to the same range (bytes, or floats in 0–1)."
            )


def labels_of(dataset: Dataset[Any]) -> Tensor:
    """All labels `(N,)` of a dataset, without decoding its inputs where it lies in memory or keeps `targets`."""
    whole = in_memory(dataset)
    if whole is not None:
        return whole[1]
    if isinstance(dataset, Subset):
        return labels_of(dataset.dataset)[torch.as_tensor(dataset.indices)]
    if isinstance(dataset, ConcatDataset):
        return torch.cat([labels_of(part) for part in dataset.datasets])
    if hasattr(dataset, "targets"):
        return torch.as_tensor(dataset.targets).long()
    return fetch(dataset, range(len(dataset)))[1]  # type: ignore[arg-type]
