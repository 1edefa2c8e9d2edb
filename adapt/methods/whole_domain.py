"""Passes over a whole domain: of a method's network, and of its inputs alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch.utils.data import DataLoader

from adapt.encoding import DomainEncoding
from adapt.errors import AdaptError

if TYPE_CHECKING:
    from adapt.methods.base import Method

Role = Literal["source", "target"]


def domain_loader(method: Method, role: Role) -> DataLoader[Any]:
    """One pass over a domain's training inputs, in order and without augmentation, as the trainer's data gives it.

    Raises:
        AdaptError: The trainer has no `DomainDataModule`, or it leaves this domain out.
    """
    data: Any = getattr(method.trainer, "datamodule", None)
    if data is None:
        raise AdaptError(
            f"{type(method).__name__} needs a pass over the {role}, found a trainer without a DomainDataModule. "
            "Give it to fit(method, datamodule=...)."
        )
    loader: DataLoader[Any] = data.domain_dataloader(role)
    return loader


def domain_batches(method: Method, role: Role) -> Iterator[Any]:
    """The batches of such a pass on the method's device, transformed as in training.

    Raises:
        AdaptError: As `domain_loader`.
    """
    loader = domain_loader(method, role)
    data: Any = method.trainer.datamodule  # type: ignore[attr-defined]  # a part of the trainer sets it
    for batch in loader:
        yield data.on_after_batch_transfer(data.transfer_batch_to_device(batch, method.device, 0), 0)


@torch.no_grad()
def encode_domain(method: Method, role: Role) -> DomainEncoding:
    """See `Method.encode_domain`."""
    # Module by module: what a method has frozen in evaluation mode stays so afterwards.
    modes = {module: module.training for module in method.modules()}
    method.eval()
    try:
        features, logits, labels = [], [], []
        for batch in domain_batches(method, role):
            encoding = method(batch.x)
            features.append(encoding.features)
            logits.append(encoding.logits)
            labels += [batch.y] if role == "source" else []
    finally:
        for module, mode in modes.items():
            module.training = mode
    return DomainEncoding(torch.cat(features), torch.cat(logits), torch.cat(labels) if labels else None)
