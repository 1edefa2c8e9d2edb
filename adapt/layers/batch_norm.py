"""Batch normalisation, for methods that adapt only these layers."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from adapt.errors import AdaptError


def batch_norms(wanted_by: str, *networks: nn.Module) -> list[_BatchNorm]:
    """The batch-norm layers of some networks, from input to output.

    Args:
        wanted_by: Name of the method, for the message.
        *networks: Where to look for them.

    Raises:
        AdaptError: There is none.
    """
    found = [module for network in networks for module in network.modules() if isinstance(module, _BatchNorm)]
    if not found:
        raise AdaptError(
            f"{wanted_by} adapts batch norm, found a network without any. Give it and its source run "
            "--model.bottleneck 256, or a backbone with batch norm such as SmallCNN."
        )
    return found


def only_batch_norm_trains(*networks: nn.Module) -> None:
    """Put batch norm in training mode and every other layer (dropout too) in evaluation mode."""
    for network in networks:
        for module in network.modules():
            module.training = isinstance(module, _BatchNorm)


@contextmanager
def batch_statistics(layers: Sequence[_BatchNorm]) -> Iterator[None]:
    """Let layers normalise with the batch's statistics in any mode, without changing their running statistics."""
    before = [(layer.training, layer.track_running_stats) for layer in layers]
    for layer in layers:
        layer.training, layer.track_running_stats = True, False
    try:
        yield
    finally:
        for layer, (training, tracked) in zip(layers, before, strict=True):
            layer.training, layer.track_running_stats = training, tracked
