"""Passes over a whole domain."""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from lightning.pytorch import Trainer
from torch import Tensor, nn

from adapt.encoding import DomainEncoding, Encoding
from adapt.errors import AdaptError
from adapt.layers import evaluating
from adapt.processes import from_process, world


@torch.no_grad()
def encode_batches(network: nn.Module, batches: Iterable[Any], labelled: bool) -> DomainEncoding:
    """Encode all batches, in evaluation mode and without gradient.

    Args:
        network: Maps inputs to an `Encoding`.
        batches: Batches of one domain, on the network's device.
        labelled: Whether they have labels `y`; these are then kept.

    Raises:
        AdaptError: A feature is not finite.
    """
    rank, processes = world()
    features: list[Tensor] = []
    logits: list[Tensor] = []
    labels: list[Tensor] = []
    with evaluating(network):
        # Processes take turns encoding batches and share the results: pseudo-labels and maps must be the same
        # everywhere.
        for k, batch in enumerate(batches):
            encoding = (
                network(batch.x)
                if k % processes == rank or k == 0
                else Encoding(*(part.new_empty(len(batch.x), part.shape[1]) for part in (features[0], logits[0])))
            )
            features.append(from_process(encoding.features, k % processes))
            logits.append(from_process(encoding.logits, k % processes))
            labels += [batch.y] if labelled else []
    whole = torch.cat(features)
    if not (finite := torch.isfinite(whole).flatten(1).all(1)).all():
        raise AdaptError(
            f"Expected finite features in a pass over a domain, found NaN or infinity in {int((~finite).sum())} of "
            f"{len(whole)} samples, the first at position {int((~finite).nonzero()[0])}. Repair or drop these inputs."
        )
    return DomainEncoding(whole, torch.cat(logits), torch.cat(labels) if labels else None)


def on_device(data: Any, batches: Iterable[Any], device: torch.device) -> Iterator[Any]:
    """Batches as in a training step: on the device and transformed.

    Args:
        data: Their datamodule.
        batches: Batches from its loader.
        device: Where the method trains.
    """
    for batch in batches:
        yield data.on_after_batch_transfer(data.transfer_batch_to_device(batch, device, 0), 0)


def interval_begins(method: Any, intervals: int, batch_idx: int) -> bool:
    """Whether this batch is the first of one of the equal intervals of a training; each epoch is one without a length.

    Args:
        method: What trains.
        intervals: How many there are.
        batch_idx: Place of the batch in its epoch.
    """
    batch, total = method.batches_seen, method.total_batches
    if total == 0:
        return batch_idx == 0
    return bool(batch * intervals // total > (batch - 1) * intervals // total)


def datamodule_of(trainer: Trainer, method: str, purpose: str) -> Any:
    """The trainer's datamodule.

    Args:
        trainer: The trainer.
        method: The method's name, for the message.
        purpose: Why the method needs the datamodule, for the message.

    Raises:
        AdaptError: The trainer has none.
    """
    data: Any = getattr(trainer, "datamodule", None)
    if data is None:
        raise AdaptError(
            f"{method} needs {purpose}, found a trainer without a DomainDataModule. "
            "Give it to fit(method, datamodule=...)."
        )
    return data
