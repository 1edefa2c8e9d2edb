"""One pass of a method's network over a whole domain."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import torch

from adapt.encoding import DomainEncoding
from adapt.errors import AdaptError
from adapt.layers import evaluating

if TYPE_CHECKING:
    from adapt.methods.base import Method


@torch.no_grad()
def encode_domain(method: Method, role: str) -> DomainEncoding:
    """See `Method.encode_domain`."""
    loader = datamodule_of(method, f"a pass over the {role}").domain_dataloader(role)
    with evaluating(method):
        features, logits, labels = [], [], []
        for batch in on_device(method, loader):
            encoding = method(batch.x)
            features.append(encoding.features)
            logits.append(encoding.logits)
            labels += [batch.y] if role == "source" else []
    return DomainEncoding(torch.cat(features), torch.cat(logits), torch.cat(labels) if labels else None)


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


def on_device(method: Method, batches: Iterable[Any]) -> Iterator[Any]:
    """Batches as a training step receives them: on the method's device and transformed."""
    data: Any = datamodule_of(method, "batches")
    for batch in batches:
        yield data.on_after_batch_transfer(data.transfer_batch_to_device(batch, method.device, 0), 0)
