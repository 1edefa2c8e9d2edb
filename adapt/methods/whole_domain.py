"""Passes over a whole domain."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from adapt.encoding import DomainEncoding, Encoding
from adapt.errors import AdaptError
from adapt.layers import evaluating
from adapt.processes import from_process, world

if TYPE_CHECKING:
    from adapt.methods.base import Method

Role = Literal["source", "target"]


@torch.no_grad()
def encode_domain(method: Method, role: Role) -> DomainEncoding:
    """See `Method.encode_domain`."""
    rank, processes = world()
    features: list[Tensor] = []
    logits: list[Tensor] = []
    labels: list[Tensor] = []
    with evaluating(method):
        # Processes encode every batch by turns, and all hear of each: pseudo-labels and maps have to be the same.
        for k, batch in enumerate(domain_batches(method, role)):
            encoding = (
                method(batch.x)
                if k % processes == rank or k == 0
                else Encoding(*(part.new_empty(len(batch.x), part.shape[1]) for part in (features[0], logits[0])))
            )
            features.append(from_process(encoding.features, k % processes))
            logits.append(from_process(encoding.logits, k % processes))
            labels += [batch.y] if role == "source" else []
    return DomainEncoding(torch.cat(features), torch.cat(logits), torch.cat(labels) if labels else None)


def domain_batches(method: Method, role: Role) -> Iterator[Any]:
    """The batches of `domain_loader` on the method's device, transformed as in training.

    Raises:
        AdaptError: As `domain_loader`.
    """
    return on_device(method, domain_loader(method, role))


def domain_loader(method: Method, role: Role) -> DataLoader[Any]:
    """One pass over a domain's training inputs, in order and without augmentation, as the trainer's data gives it.

    Raises:
        AdaptError: The trainer has no `DomainDataModule`, or it leaves this domain out.
    """
    loader: DataLoader[Any] = datamodule_of(method, f"a pass over the {role}").domain_dataloader(role)
    return loader


def on_device(method: Method, batches: Iterable[Any]) -> Iterator[Any]:
    """Batches as a training step receives them: on the method's device and transformed."""
    data: Any = datamodule_of(method, "batches")
    for batch in batches:
        yield data.on_after_batch_transfer(data.transfer_batch_to_device(batch, method.device, 0), 0)


def datamodule_of(method: Method, purpose: str) -> Any:
    """The trainer's datamodule.

    Args:
        method: The method in training.
        purpose: What it needs the datamodule for, for the message.

    Raises:
        AdaptError: The trainer has none.
    """
    data: Any = getattr(method.trainer, "datamodule", None)
    if data is None:
        raise AdaptError(
            f"{type(method).__name__} needs {purpose}, found a trainer without a DomainDataModule. "
            "Give it to fit(method, datamodule=...)."
        )
    return data
