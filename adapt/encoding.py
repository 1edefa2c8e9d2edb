"""What the network makes of a batch: methods, penalties and the callbacks that look on all speak of it."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from adapt.processes import gather_rows

# The places of both domains among an evaluation's loaders, `[source, target]`.
SOURCE, TARGET = 0, 1


class Encoding(NamedTuple):
    """What the network makes of one domain's part of a batch.

    Attributes:
        features: Input of the classifier `(N, num_features)`.
        logits: Output of the classifier `(N, num_classes)`.
    """

    features: Tensor
    logits: Tensor


class DomainEncoding(NamedTuple):
    """What the network makes of a whole domain's training inputs, in their order.

    Attributes:
        features: Inputs of the classifier `(N, num_features)`.
        logits: Outputs of the classifier `(N, num_classes)`.
        y: Class indices `(N,)` of the source; None for the target, whose labels nobody sees.
    """

    features: Tensor
    logits: Tensor
    y: Tensor | None


class Encodings(NamedTuple):
    """The encodings of one batch of each domain."""

    source: Encoding
    target: Encoding


def step_encoding(outputs: Any, module: Any, dataloader_idx: int) -> tuple[int, Encoding] | None:
    """The domain of an evaluation step, `SOURCE` or `TARGET`, and what it returned, detached, features flat.

    Args:
        outputs: What the step returned: a mapping with `features (N, ...)` and `logits (N, K)`, or something else.
        module: Whose step it was; one that is `source_free` has but one loader, the target's.
        dataloader_idx: Which of the loaders the batch came from.

    Returns:
        None if the step returned no features and logits.
    """
    if not isinstance(outputs, Mapping) or not {"features", "logits"} <= outputs.keys():
        return None
    features, logits = (outputs[name].detach().float() for name in ("features", "logits"))
    return dataloader_idx + getattr(module, "source_free", False), Encoding(features.flatten(1), logits)


class RandomShare:
    """A uniform draw without replacement out of samples that come batch by batch, often sorted by class.

    Args:
        size: Most samples that are kept.
        generator: Draws the samples' keys, on the CPU.
    """

    def __init__(self, size: int, generator: torch.Generator) -> None:
        self.size, self._generator = size, generator
        self._kept: list[Tensor] = []

    @property
    def columns(self) -> list[Tensor]:
        """What is kept, in the order of `add`'s arguments."""
        return self._kept[1:]

    def of_all_processes(self, device: torch.device) -> list[Tensor]:
        """What is kept, over all processes, each of which has seen other samples; the draw goes on among them.

        Args:
            device: Where the processes exchange tensors.
        """
        kept = [gather_rows(column.to(device)).to(column.device) for column in self._kept]
        if kept and len(kept[0]) > self.size:
            smallest = kept[0].argsort()[: self.size]
            kept = [column[smallest] for column in kept]
        return kept[1:]

    def add(self, *columns: Tensor) -> None:
        """Have the samples of a batch, each column's rows, take part in the draw."""
        keys = torch.rand(len(columns[0]), generator=self._generator).to(columns[0].device)
        kept = [keys, *columns]
        if self._kept:
            kept = [torch.cat(pair) for pair in zip(self._kept, kept, strict=True)]
        # The samples with the smallest random keys so far are the draw.
        smallest = kept[0].argsort()[: self.size]
        self._kept = [column[smallest] for column in kept]
