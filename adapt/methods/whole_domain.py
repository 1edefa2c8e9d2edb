"""One pass of a method's network over a whole domain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from adapt.encoding import DomainEncoding
from adapt.errors import AdaptError

if TYPE_CHECKING:
    from adapt.methods.base import Method


@torch.no_grad()
def encode_domain(method: Method, role: str) -> DomainEncoding:
    """See `Method.encode_domain`."""
    data: Any = getattr(method.trainer, "datamodule", None)
    if data is None:
        raise AdaptError(
            f"{type(method).__name__} needs a pass over the {role}, found a trainer without a DomainDataModule. "
            "Give it to fit(method, datamodule=...)."
        )
    # Module by module: what a method has frozen in evaluation mode stays so afterwards.
    modes = {module: module.training for module in method.modules()}
    method.eval()
    try:
        features, logits, labels = [], [], []
        for batch in data.domain_dataloader(role):
            moved = data.on_after_batch_transfer(data.transfer_batch_to_device(batch, method.device, 0), 0)
            encoding = method(moved.x)
            features.append(encoding.features)
            logits.append(encoding.logits)
            labels += [moved.y] if role == "source" else []
    finally:
        for module, mode in modes.items():
            module.training = mode
    return DomainEncoding(torch.cat(features), torch.cat(logits), torch.cat(labels) if labels else None)
