"""Refusals at setup: what would otherwise train without complaint and end in a wrong number."""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import ConcatDataset, Dataset, Subset, TensorDataset

from adapt.data.labels import LabelCount, Labels, join_labels, marked_labels
from adapt.data.views import TensorDomain, fetch, in_memory, refuse_unlabelled
from adapt.errors import AdaptError
from adapt.problems import Problem
from adapt.trees import Tree, leaves

_SAMPLES = 256
_LOOKED_AT = 32
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


def check_poolable(domains: Mapping[str, Dataset[Any]]) -> None:
    """Refuse source domains of which only some are bytes: put together, their bytes would stay 255 times as large.

    Args:
        domains: Training sets of the sources by domain name.

    Raises:
        AdaptError: Names a domain of each kind.
    """
    kinds = {name: [leaf.dtype for leaf in leaves(fetch(dataset, [0])[0])] for name, dataset in domains.items()}
    for (one, these), (other, those) in combinations(kinds.items(), 2):
        for a, b in zip(these, those, strict=False):
            if (a == torch.uint8) != (b == torch.uint8):
                raise AdaptError(
                    f"Expected sources of one type to pool, found {a} in {one!r} and {b} in {other!r}. "
                    "Bring both to bytes, or to floats."
                )


def check_inputs(
    domains: Mapping[str, Dataset[Any]],
    transform: Callable[[Tree], Tree],
    input_shape: Sequence[int],
    called: Callable[[str], Sequence[str]],
) -> None:
    """Refuse NaN or infinite inputs, other shapes, and domains whose value ranges differ by a factor of 50 or more.

    A domain in 0–255 beside one in 0–1 trains, and costs tens of points without a sign of it. Domains in memory are
    checked whole for NaN, others on 256 samples spread over the set. Of inputs with several parts each part is checked.

    Args:
        domains: Training sets by domain name.
        transform: What the datamodule does to a batch of inputs.
        input_shape: Shape of one input after that; empty where the datamodule does not say.
        called: What a domain's training samples are called.

    Raises:
        AdaptError: Names the domain, and the sample, the shapes or the ranges.
    """
    ranges: dict[str, list[tuple[float, float]]] = {}
    for name, dataset in domains.items():
        size = len(dataset)  # type: ignore[arg-type]  # torch's Dataset does not declare __len__
        sample = torch.linspace(0, size - 1, min(size, _SAMPLES)).long().tolist()
        x = transform(fetch(dataset, sample)[0])
        if isinstance(x, Tensor):
            input_shape = input_shape or x.shape[1:]
            if x.shape[1:] != tuple(input_shape):
                raise AdaptError(
                    f"Expected inputs of shape {tuple(input_shape)}, found {tuple(x.shape[1:])} in {name!r}. "
                    "Bring its inputs to that shape, or let the datamodule's input_shape say another."
                )
        whole = in_memory(dataset)
        positions, inputs = (range(size), whole[0]) if whole is not None else (sample, x)
        for part in leaves(inputs):
            _check_finite(part, name, positions, called)
        # Of inputs with several parts whole numbers are no quantities: a text's tokens, and where it ends.
        measured = [part for part in leaves(x) if isinstance(x, Tensor) or part.is_floating_point()]
        ranges[name] = [(float(part.min()), float(part.max())) for part in measured]
    for (one, these), (other, those) in combinations(ranges.items(), 2):
        if len(these) != len(those):
            raise AdaptError(
                f"Expected inputs with the same parts, found {len(these)} in {one!r}, {len(those)} in {other!r}."
            )
        for (low, high), (floor, ceiling) in zip(these, those, strict=True):
            a, b = high - low, ceiling - floor
            if max(a, b) > _RATIO * min(a, b):
                raise AdaptError(
                    f"Expected inputs on one scale, found {one!r} in [{low:.3g}, {high:.3g}] and {other!r} in "
                    f"[{floor:.3g}, {ceiling:.3g}]. Bring both domains to the same range (bytes, or floats in 0–1)."
                )


def _check_finite(inputs: Tensor, name: str, positions: Sequence[int], called: Callable[[str], Sequence[str]]) -> None:
    if inputs.is_complex():
        raise AdaptError(f"Expected real inputs, found {inputs.dtype} in {name!r}. Give for example their sizes.")
    if not inputs.is_floating_point():
        return
    bad = (~torch.isfinite(inputs)).flatten(1).any(1).nonzero().flatten()
    if len(bad):
        at = positions[int(bad[0])]
        own = called(name)[at]
        raise AdaptError(
            f"Expected finite inputs, found NaN or infinity in {len(bad)} training samples of {name!r}, "
            f"the first at position {at}{'' if own == str(at) else f' ({own!r})'}. Repair or drop these samples."
        )


def check_domain(
    dataset: Any,
    problem: Problem,
    where: str,
    labelled: bool = False,
    called: Callable[[], Sequence[str]] | None = None,
) -> None:
    """Refuse what is no dataset, or an empty one, and labels of another problem, where they cost no decoding.

    Args:
        dataset: What a datamodule gives as one split of a domain.
        problem: What the labels pose.
        where: Which split of which domain it is.
        labelled: Whether every sample has to have a label.
        called: What the samples are called, such as their rows in a file.

    Raises:
        AdaptError: Says what was found. Labels that are only seen with their inputs are checked when they are read.
    """
    try:
        size = len(dataset)
    except (TypeError, NotImplementedError) as error:
        raise AdaptError(
            f"Expected a dataset with a length and positions as {where}, found {type(dataset).__name__}. Let "
            "domain(name, split) return a map-style dataset of (x, y), such as TensorDomain(x, y)."
        ) from error
    if size == 0:
        raise AdaptError(
            f"Expected samples in {where}, found none. Give the domain more: shares of it are held out, in whole "
            "groups or subjects where it has them, and one that another domain has, too, is in one split of both."
        )
    labels = kept_labels(dataset)
    if labels is None:
        return
    if labelled:
        refuse_unlabelled(labels.known, where, called=called)
    at = labels.known.nonzero().flatten()
    if not len(at) or not (odd := problem.odd_labels(labels.y[at])).any():
        return
    # What a dataset keeps as `targets` may become class indices on its way out: the sample itself decides.
    first = int(at[odd.nonzero()[0]])
    if problem.odd_labels(fetch(dataset, [first])[1].y).any():
        problem.labels(labels.y[at], where, at)


def count_labels(dataset: Any) -> LabelCount:
    """How many samples of a dataset have a label.

    Of a dataset whose labels are only seen with their inputs, a few samples are looked at, and all of them where not
    each of these has one.
    """
    samples = len(dataset)
    labels = kept_labels(dataset)
    if labels is None:
        few = torch.randperm(samples, generator=torch.Generator().manual_seed(0))[:_LOOKED_AT].tolist()
        if fetch(dataset, few)[1].known.all():
            return LabelCount(samples, samples)
        labels = labels_of(dataset)
    return LabelCount(int(labels.known.sum()), samples)


def labels_of(dataset: Any) -> Labels:
    """All labels `(N, ...)` of a dataset, without decoding its inputs where it lies in memory or keeps `targets`."""
    kept = kept_labels(dataset)
    if kept is not None:
        return kept
    # In parts, so that the inputs beside them never lie in memory together.
    parts = torch.split(torch.arange(len(dataset)), _SAMPLES)
    return join_labels([fetch(dataset, part.tolist())[1] for part in parts])


def kept_labels(dataset: Any) -> Labels | None:
    """All labels `(N, ...)` of a dataset as it keeps them, None where only its samples tell."""
    if isinstance(dataset, TensorDomain):
        return Labels(dataset.y, dataset.labelled)
    if isinstance(dataset, Subset):
        whole = kept_labels(dataset.dataset)
        return None if whole is None else whole.take(torch.as_tensor(dataset.indices))
    if isinstance(dataset, ConcatDataset):
        parts = [kept_labels(part) for part in dataset.datasets]
        known = [part for part in parts if part is not None]
        alike = len(known) == len(parts) and len({part.y.shape[1:] for part in known if part.known.any()}) <= 1
        return join_labels(known) if alike else None
    if isinstance(dataset, TensorDataset):
        return marked_labels(dataset.tensors[1], len(dataset)) if len(dataset.tensors) == 2 else None
    if getattr(dataset, "target_transform", None) is not None:
        return None
    try:  # targets may be Labels, some of which are missing
        labels = marked_labels(dataset.targets, len(dataset))
    except (AttributeError, AdaptError):
        return None
    return labels if labels.y.ndim and len(labels.y) == len(dataset) else None
