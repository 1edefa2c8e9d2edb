"""A step away from the weights and back: what sharpness-aware training does around a backward pass."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from adapt.losses import ascent
from adapt.processes import average


class Detour:
    """Moves parameters to where a loss is sharpest, and puts them back, to the bit.

    Between the two the gradient of the whole loss is taken, by whoever trains: optimizer, clipping and accumulation
    then meet the weights that they know.
    """

    def __init__(self) -> None:
        self._kept: list[tuple[nn.Parameter, Tensor]] = []

    def go(self, loss: Tensor, parameters: Iterable[nn.Parameter], rho: float) -> None:
        """Move the parameters by ρ along the loss's gradient, which is the mean over all processes.

        Args:
            loss: A scalar of the global batch, whose graph is used up.
            parameters: What is moved, where the loss depends on it.
            rho: Length of the step over all parameters together.
        """
        self.come_back()
        trained = [p for p in parameters if p.requires_grad]
        # Not through `.grad`, in which gradients are accumulated, and whose hooks are those of DDP.
        found = torch.autograd.grad(loss, trained, allow_unused=True)
        moved = [(p, g) for p, g in zip(trained, found, strict=True) if g is not None]
        gradients = [g.contiguous() for _, g in moved]
        average(gradients)
        self._kept = [(p, p.detach().clone()) for p, _ in moved]
        with torch.no_grad():
            for (p, _), step in zip(moved, ascent(gradients, rho), strict=True):
                p.add_(step)

    @torch.no_grad()
    def come_back(self) -> None:
        """Put the parameters back where they were; nothing happens where they are there."""
        for p, value in self._kept:
            p.copy_(value)
        self._kept = []
