"""Datasets seen as batches: one fetch per batch, with the index, and without target labels."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import ConcatDataset, Dataset, Subset, default_collate

from adapt.data.batches import Labelled, Unlabelled
from adapt.errors import AdaptError


class TensorDomain(Dataset[tuple[Tensor, Tensor]]):
    """A labelled domain in memory, fetched a whole batch at a time.

    Args:
        x: Inputs `(N, ...)`; images as uint8 `(N, C, H, W)`, so that a domain is as small as it can be.
        y: Class indices `(N,)`.
    """

    def __init__(self, x: Tensor, y: Tensor) -> None:
        if len(x) != len(y):
            raise AdaptError(f"Expected one label per sample, found {len(x)} samples and {len(y)} labels.")
        self.x, self.y = x, y.long()

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.x[index], self.y[index]

    def __getitems__(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        at = torch.as_tensor(indices)
        return self.x[at], self.y[at]


def fetch(dataset: Dataset[Any], indices: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Inputs and labels of the given samples, in one call where the dataset offers `__getitems__`."""
    many = getattr(dataset, "__getitems__", None)
    batch = many(indices) if many else [dataset[i] for i in indices]
    if not isinstance(batch, list):
        x, y = batch
        return x, torch.as_tensor(y).long()
    # Not collated as pairs: pooled domains may differ in whether a label is a tensor or a number.
    inputs, labels = zip(*batch, strict=True)
    return default_collate(list(inputs)), torch.tensor([int(label) for label in labels])


def pool(datasets: Sequence[Dataset[Any]]) -> Dataset[Any]:
    """Several source domains as one, still fetched a batch at a time where all lie in memory."""
    if len(datasets) == 1:
        return datasets[0]
    parts = [in_memory(dataset) for dataset in datasets]
    if all(part is not None for part in parts):
        kept = [part for part in parts if part is not None]
        return TensorDomain(torch.cat([part[0] for part in kept]), torch.cat([part[1] for part in kept]))
    return ConcatDataset(datasets)


def in_memory(dataset: Dataset[Any]) -> tuple[Tensor, Tensor] | None:
    """All inputs and labels of a `TensorDomain` or a subset of one, else None."""
    if isinstance(dataset, TensorDomain):
        return dataset.x, dataset.y
    if isinstance(dataset, Subset) and isinstance(dataset.dataset, TensorDomain):
        return dataset.dataset.__getitems__(dataset.indices)
    return None


class LabelledView(Dataset[Labelled]):
    """Batches of `Labelled` from a dataset of `(x, y)`.

    Args:
        dataset: The samples.
        positions: Where each of them stands in its training set, if it is a part of one.
    """

    def __init__(self, dataset: Dataset[Any], positions: Sequence[int] | None = None) -> None:
        self.dataset = dataset
        self.positions = None if positions is None else torch.as_tensor(positions)

    def __len__(self) -> int:
        return len(self.dataset)  # type: ignore[arg-type]  # torch's Dataset does not declare __len__

    def __getitems__(self, indices: Sequence[int]) -> Labelled:
        x, y = fetch(self.dataset, indices)
        at = torch.as_tensor(indices)
        return Labelled(x, y, at if self.positions is None else self.positions[at])


class UnlabelledView(LabelledView):
    """Batches of `Unlabelled`: the only way in which target training data leaves a datamodule by default."""

    def __getitems__(self, indices: Sequence[int]) -> Unlabelled:  # type: ignore[override]  # strips the label
        x, _ = fetch(self.dataset, indices)
        return Unlabelled(x, torch.as_tensor(indices))
