"""Datasets seen as batches: one fetch per batch, with the index, and without target labels."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, cast
from zlib import crc32

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import ConcatDataset, Dataset, Subset

from adapt.data.batches import Labelled, Unlabelled
from adapt.data.labels import NO_LABEL, Labels, as_labels, from_array, marked_labels, no_labels
from adapt.errors import AdaptError, SampleError
from adapt.problems import Problem
from adapt.trees import Tree, cat, collate, size, take, tree_map


class TensorDomain(Dataset[tuple[Tensor, Any]]):
    """A domain in memory, fetched a whole batch at a time.

    Args:
        x: Inputs `(N, ...)`: a tensor, an array, or a dict or tuple of them; images as uint8 `(N, C, H, W)`, so that a
            domain is as small as it can be.
        y: Labels `(N, ...)`: class indices `(N,)` where the problem is classification. None where no sample has one.
        labelled: Which samples have a label `(N,)`, as booleans; None where `y` says it. What stands in `y` for the
            others means nothing.

    Raises:
        AdaptError: They are no numbers, or not as many.

    Examples:
        >>> import torch
        >>> from adapt.data import TensorDomain
        >>> TensorDomain(torch.zeros(2, 3), torch.tensor([1, 0]), labelled=torch.tensor([True, False]))[1][1]
        <_NoLabel.NO_LABEL: 'no label'>
    """

    def __init__(self, x: Tree, y: Tensor | None, labelled: Tensor | None = None) -> None:
        # Labels stay what they are: whoever reads them knows whose they are, and refuses the wrong ones by that name.
        self.x = as_inputs(x)
        count = size(self.x)
        self.y, self.labelled = no_labels(count) if y is None else marked_labels(y, count)
        if labelled is not None:
            self.labelled = as_labels(labelled)
            if self.labelled.dtype != torch.bool or self.labelled.shape != self.y.shape[:1]:
                found = f"{self.labelled.dtype} {tuple(self.labelled.shape)}"
                raise AdaptError(f"Expected `labelled` as {len(self.y)} booleans, one per sample, found {found}.")
        if self.y.ndim == 0 or size(self.x) != len(self.y):
            found = f"{size(self.x)} samples and {self.y.numel() if self.y.ndim == 0 else len(self.y)} labels"
            raise AdaptError(f"Expected one label per sample, found {found}.")

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, index: int) -> tuple[Tree, Any]:
        return take(self.x, index), self.y[index] if self.labelled[index] else NO_LABEL

    def __getitems__(self, indices: Sequence[int]) -> tuple[Tree, Labels]:
        at = torch.as_tensor(indices)
        return take(self.x, at), Labels(self.y[at], self.labelled[at])

    def at(self, positions: Tensor) -> "TensorDomain":
        """The samples at the given positions, as a domain of their own."""
        return TensorDomain(take(self.x, positions), self.y[positions], self.labelled[positions])


def as_inputs(values: Any) -> Tree:
    """Inputs as tensors.

    Raises:
        SampleError: They are no numbers.
    """
    if isinstance(values, Tensor):
        return values
    if isinstance(values, Mapping):
        return {key: as_inputs(part) for key, part in values.items()}
    if isinstance(values, tuple):
        parts = [as_inputs(part) for part in values]
        return type(values)(*parts) if hasattr(values, "_fields") else tuple(parts)
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise SampleError("Expected inputs without gaps, found an array with masked values: fill or drop them.")
    try:
        return from_array(np.asarray(values))
    except (TypeError, ValueError) as error:
        raise SampleError(f"Expected inputs as tensors or arrays of numbers, found {type(values).__name__}.") from error


def fetch(dataset: Any, indices: Sequence[int]) -> tuple[Tree, Labels]:
    """Inputs and labels of the given samples, in one call where the dataset offers `__getitems__`.

    A sample `(x, NO_LABEL)` has no label.

    Raises:
        SampleError: A sample is no pair of an input and a label, or they cannot be put into one batch.
    """
    many = getattr(dataset, "__getitems__", None)
    batch = many(indices) if many else [dataset[i] for i in indices]
    pairs = batch if isinstance(batch, list) else [batch]
    if odd := [pair for pair in pairs if not isinstance(pair, tuple | list) or len(pair) != 2]:
        length = f" of {len(odd[0])}" if isinstance(odd[0], tuple | list | dict) else ""
        raise SampleError(f"Expected samples (x, y), found a {type(odd[0]).__name__}{length}: return pairs of the two.")
    if batch is not pairs:
        return as_inputs(batch[0]), marked_labels(batch[1], len(indices))
    # Not collated as pairs: pooled domains may differ in whether a label is a tensor or a number.
    inputs, labels = zip(*batch, strict=True)
    return _stacked(inputs), marked_labels(labels, len(indices))


def fetch_inputs(dataset: Any, indices: Sequence[int]) -> Tree:
    """Inputs of the given samples, without labels, of a dataset of inputs alone.

    Raises:
        SampleError: They cannot be put into one batch.
    """
    many = getattr(dataset, "__getitems__", None)
    batch = many(indices) if many else [dataset[i] for i in indices]
    return _stacked(batch) if isinstance(batch, list) else batch


class WithoutLabels(Dataset[Tree]):
    """The inputs of a dataset of `(x, y)`.

    Args:
        dataset: The samples.
    """

    def __init__(self, dataset: Dataset[Any]) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)  # type: ignore[arg-type]  # torch's Dataset does not declare __len__

    def __getitems__(self, indices: Sequence[int]) -> Tree:
        return fetch(self.dataset, indices)[0]


class Inputs(Dataset[Tree]):
    """Inputs without labels in memory, fetched a whole batch at a time.

    Args:
        x: Inputs `(N, ...)`: a tensor, an array, or a dict or tuple of them.
    """

    def __init__(self, x: Any) -> None:
        self.x = as_inputs(x)

    def __len__(self) -> int:
        return size(self.x)

    def __getitem__(self, index: int) -> Tree:
        return take(self.x, index)

    def __getitems__(self, indices: Sequence[int]) -> Tree:
        return take(self.x, torch.as_tensor(indices))


def _stacked(inputs: Sequence[Any]) -> Tree:
    try:
        # A picture of Pillow would become an array too, with its colours last.
        if not any(isinstance(value, Image.Image) for value in inputs):
            return collate([as_inputs(value) for value in inputs])
    except (AdaptError, TypeError, ValueError, RuntimeError):
        pass
    kinds = {f"{type(value).__name__} {tuple(getattr(value, 'shape', ()))}".removesuffix(" ()") for value in inputs}
    raise SampleError(
        f"Expected inputs as tensors or arrays of one shape, found {', '.join(sorted(kinds)[:3])}. Let the dataset "
        "bring them to one (pictures: torchvision's Resize and PILToTensor)."
    )


def pool(datasets: Sequence[Dataset[Any]]) -> Dataset[Any]:
    """Several source domains as one, still fetched a batch at a time where all lie in memory."""
    if len(datasets) == 1:
        return datasets[0]
    parts = [whole(dataset) for dataset in datasets]
    kept = [part for part in parts if part is not None]
    # Where a domain without labels stands beside one whose labels are rows, there is no one tensor of both.
    if len(kept) == len(parts) and len({part.y.shape[1:] for part in kept}) == 1:
        joined = (torch.cat([getattr(part, name) for part in kept]) for name in ("y", "labelled"))
        return TensorDomain(cat([part.x for part in kept]), *joined)
    return ConcatDataset(datasets)


def whole(dataset: Dataset[Any]) -> TensorDomain | None:
    """A `TensorDomain`, or the part of one that a subset of it is, else None."""
    if isinstance(dataset, TensorDomain):
        return dataset
    if isinstance(dataset, Subset) and isinstance(dataset.dataset, TensorDomain):
        return dataset.dataset.at(torch.as_tensor(dataset.indices))
    return None


def in_memory(dataset: Dataset[Any]) -> tuple[Tree, Tensor] | None:
    """All inputs and labels of a `TensorDomain` or a subset of one, else None."""
    found = whole(dataset)
    return None if found is None else (found.x, found.y)


@contextmanager
def drawing_from(seed: int) -> Iterator[None]:
    """Let the random numbers of torch (on the CPU), NumPy and Python follow from a seed, and go on as before after it.

    Args:
        seed: At least 0, below 2³².
    """
    before = torch.get_rng_state(), np.random.get_state(), random.getstate()  # noqa: NPY002  # a user's dataset may
    # Not `torch.manual_seed`, which would seed GPUs as well.
    torch.default_generator.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    random.seed(seed)
    try:
        yield
    finally:
        torch.set_rng_state(before[0])
        np.random.set_state(before[1])  # noqa: NPY002
        random.setstate(before[2])


def refuse_unlabelled(
    known: Tensor, where: str, positions: Tensor | None = None, called: Callable[[], Sequence[str]] | None = None
) -> None:
    """Refuse samples without a label where each has to have one.

    Args:
        known: Which samples have a label `(N,)`.
        where: Whose samples they are.
        positions: Where they stand in their dataset; 0 to N − 1 when None.
        called: What they are called, such as their rows in a file.

    Raises:
        SampleError: Some have none.
    """
    if known.all():
        return
    at = int((~known).nonzero()[0])
    first = at if positions is None else int(positions[at])
    own = "" if called is None or (name := called()[at]) == str(first) else f" ({name!r})"
    raise SampleError(
        f"Expected a label for every sample of {where}, found none in {int((~known).sum())} of {len(known)}, the first "
        f"at position {first}{own}. Label these samples, or leave them out."
    )


class LabelledView(Dataset[Labelled]):
    """Batches of `Labelled` from a dataset of `(x, y)`.

    Args:
        dataset: The samples.
        positions: Where each of them stands in its training set, if it is a part of one.
        problem: What the labels pose; None leaves them unchecked.
        where: Whose samples they are, for the message.
        labelled: Whether every sample must have a label. Without, `Problem.no_labels` stands where there is none.
        sizes: How many samples each of several pooled domains has, one after the other; batches then say which is
            whose. None for one domain.
    """

    def __init__(
        self,
        dataset: Dataset[Any],
        positions: Sequence[int] | None = None,
        problem: Problem | None = None,
        where: str = "the dataset",
        labelled: bool = True,
        sizes: Sequence[int] | None = None,
    ) -> None:
        self.sizes = sizes
        self.domains = None if sizes is None else torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
        self.dataset, self.problem, self.where, self.labelled = dataset, problem, where, labelled
        self.positions = None if positions is None else torch.as_tensor(positions)

    def __len__(self) -> int:
        return len(self.dataset)  # type: ignore[arg-type]  # torch's Dataset does not declare __len__

    @property
    def draws(self) -> bool:
        """Whether reading a sample may draw random numbers, as an augmentation does: tensors in memory do not."""
        dataset = self.dataset.dataset if isinstance(self.dataset, Subset) else self.dataset
        return not isinstance(dataset, TensorDomain)

    def read(self, indices: Sequence[int]) -> Labelled:
        """The samples, once their labels are the problem's.

        Args:
            indices: Their positions. A position beyond the end stands for a later visit to a sample (see `numbered` of
                `CycledSampler`): random numbers are then drawn from these numbers alone, in any process.
        """
        numbers = torch.as_tensor(indices)
        at = numbers % len(self)
        indices = at.tolist()
        with nullcontext() if torch.equal(numbers, at) else drawing_from(crc32(numbers.numpy().tobytes())):
            x, labels = fetch(self.dataset, indices)
        if self.labelled:
            refuse_unlabelled(labels.known, self.where, at)
        y = labels.y
        if self.problem is not None and labels.known.all():
            y = self.problem.labels(y, self.where, indices)
        elif self.problem is not None:
            y = self.problem.no_labels(len(at))
            if labels.known.any():
                known = self.problem.labels(labels.y[labels.known], self.where, at[labels.known])
                y = y.to(known.dtype)
                y[labels.known] = known
        domain = None if self.domains is None else self.domains[at]
        return Labelled(x, y, at if self.positions is None else self.positions[at], domain)

    def __getitems__(self, indices: Sequence[int]) -> Labelled:
        return self.read(indices)


class UnlabelledView(LabelledView):
    """Batches of `Unlabelled`: the only way in which target training data leaves a datamodule by default.

    Labels that are there are checked all the same, and none has to be.
    """

    def __init__(self, dataset: Dataset[Any], **described: Any) -> None:
        super().__init__(dataset, **described | {"labelled": False})

    def __getitems__(self, indices: Sequence[int]) -> Unlabelled:  # type: ignore[override]  # strips the label
        x, _, index, _ = self.read(indices)
        return Unlabelled(x, index)


class ResidentView(LabelledView):
    """Batches of another view, whose samples lie on one device and are picked there.

    Labels are checked once, when it is built.

    Args:
        view: Whose batches they are; its dataset lies in memory.
        device: Where the samples are to lie.
    """

    def __init__(self, view: LabelledView, device: torch.device) -> None:
        super().__init__(view.dataset, sizes=view.sizes)
        every = view.__getitems__(range(len(view)))
        self.device, self.kind = device, cast(Any, type(every))
        # A part that is None, such as the domain of the only source, stays so.
        self.parts = [part if part is None else tree_map(lambda leaf: leaf.to(device), part) for part in every]

    def __getitems__(self, indices: Sequence[int]) -> Any:
        at = torch.as_tensor(indices).to(self.device, non_blocking=True)
        return self.kind(*(part if part is None else take(part, at) for part in self.parts))
