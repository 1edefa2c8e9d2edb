"""Features and logits of a batch, as methods, penalties and callbacks exchange them."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from adapt.processes import gather_rows, world

# Indices of both domains in an evaluation's loaders, `[source, target]`.
SOURCE, TARGET = 0, 1


class Encoding(NamedTuple):
    """Features and logits of one domain's part of a batch.

    Attributes:
        features: Input of the classifier `(N, num_features)`.
        logits: Output of the classifier `(N, num_classes)`.
    """

    features: Tensor
    logits: Tensor


class DomainEncoding(NamedTuple):
    """Features and logits of all training inputs of a domain, in their order.

    Attributes:
        features: Inputs of the classifier `(N, num_features)`.
        logits: Outputs of the classifier `(N, num_classes)`.
        y: Class indices `(N,)` of the source; None for the target, because its labels are hidden.
    """

    features: Tensor
    logits: Tensor
    y: Tensor | None


class Encodings(NamedTuple):
    """The encodings of one batch of each domain."""

    source: Encoding
    target: Encoding


def step_encoding(outputs: Any, module: Any, dataloader_idx: int) -> tuple[int, Encoding] | None:
    """The domain of an evaluation step, `SOURCE` or `TARGET`, and its output, detached, with flat features.

    Args:
        outputs: The step's output: a mapping with `features (N, ...)` and `logits (N, K)`, or something else.
        module: The module that took the step; a `source_free` one has only the target's loader.
        dataloader_idx: Index of the batch's loader.

    Returns:
        None if the step returned no features and logits.
    """
    if not isinstance(outputs, Mapping) or not {"features", "logits"} <= outputs.keys():
        return None
    features, logits = (outputs[name].detach().float() for name in ("features", "logits"))
    return dataloader_idx + getattr(module, "source_free", False), Encoding(features.flatten(1), logits)


def share_start(loaders: Any, dataloader_idx: int) -> int:
    """Position of the first sample that this process evaluates, where several processes share a loader's samples.

    Args:
        loaders: The trainer's loaders.
        dataloader_idx: Index of the loader.
    """
    loader = loaders[dataloader_idx] if isinstance(loaders, Sequence) else loaders
    share: range = getattr(getattr(loader, "sampler", None), "share", range(0))
    return share.start


def position_of(loaders: Any, dataloader_idx: int) -> int:
    """How many samples one process alone would evaluate before the first one that this process does of a loader.

    Args:
        loaders: The trainer's loaders, each of which is evaluated whole.
        dataloader_idx: Index of the loader.
    """
    earlier = list(loaders)[:dataloader_idx] if isinstance(loaders, Sequence) else []
    return sum(len(loader.dataset) for loader in earlier) + share_start(loaders, dataloader_idx)


class RandomShare:
    """Draw uniformly without replacement from samples that come batch by batch, often sorted by class.

    Args:
        size: Largest number of samples to keep.
        generator: Draws the samples' keys, on the CPU.
    """

    def __init__(self, size: int, generator: torch.Generator) -> None:
        self.size, self._generator = size, generator
        self._kept: list[Tensor] = []

    @property
    def columns(self) -> list[Tensor]:
        """The kept samples, in the order of `add`'s arguments."""
        return self._kept[1:]

    def of_all_processes(self, device: torch.device) -> list[Tensor]:
        """The sample over all processes, drawn again from the samples that each process kept.

        Args:
            device: Device on which the processes exchange tensors.
        """
        kept = [gather_rows(column.to(device)).to(column.device) for column in self._kept]
        if kept and world()[1] > 1:
            # In the order that one process has: some scores split the samples by their positions.
            smallest = kept[0].argsort(stable=True)[: self.size]
            kept = [column[smallest] for column in kept]
        return kept[1:]

    def add(self, *columns: Tensor, start: int = 0) -> None:
        """Offer one batch to the sample; each column has one row per sample.

        Args:
            *columns: The batch.
            start: Samples before the first one of all batches, which other processes have: their keys are theirs.
        """
        if not self._kept:
            torch.rand(start, generator=self._generator)
        keys = torch.rand(len(columns[0]), generator=self._generator).to(columns[0].device)
        kept = [keys, *columns]
        if self._kept:
            kept = [torch.cat(pair) for pair in zip(self._kept, kept, strict=True)]
        # Keep the samples with the smallest random keys so far.
        smallest = kept[0].argsort()[: self.size]
        self._kept = [column[smallest] for column in kept]
