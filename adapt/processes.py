"""Share results between the processes of one training."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, distributed


def world() -> tuple[int, int]:
    """Rank of this process and number of processes; 0 and 1 without a process group."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return 0, 1
    return distributed.get_rank(), distributed.get_world_size()


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.rows = len(x)
        parts = [torch.empty_like(x, memory_format=torch.contiguous_format) for _ in range(world()[1])]
        distributed.all_gather(parts, x.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        # Every process computes the loss of the whole batch. Summing their gradients multiplies the gradient by the
        # number of processes. DDP takes the mean, which gives the gradient of the loss again.
        gradient = gradients[0].clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(gradient)
        first = world()[0] * ctx.rows
        return gradient[first : first + ctx.rows]


def gather(x: Tensor) -> Tensor:
    """The rows of all processes, in their order, with gradient under DDP.

    Args:
        x: Rows `(n, ...)`, the same number in each process.

    Returns:
        `(n · processes, ...)`.
    """
    gathered: Tensor = _Gather.apply(x) if world()[1] > 1 else x
    return gathered


@torch.no_grad()
def gather_rows(x: Tensor) -> Tensor:
    """The rows of all processes, in their order, with any number of rows in each; without gradient."""
    _, processes = world()
    if processes == 1:
        return x
    sizes = [torch.zeros((), dtype=torch.int64, device=x.device) for _ in range(processes)]
    distributed.all_gather(sizes, torch.tensor(len(x), device=x.device))
    counts = [int(size) for size in sizes]
    padded = x.new_zeros(max(counts), *x.shape[1:])
    padded[: len(x)] = x
    parts = [torch.empty_like(padded) for _ in counts]
    distributed.all_gather(parts, padded)
    return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])


@torch.no_grad()
def from_process(x: Tensor, rank: int) -> Tensor:
    """Copy a tensor from one process to all.

    Args:
        x: The values of the process `rank`; in other processes a tensor of the same shape.
        rank: The process.
    """
    if world()[1] > 1 and x.numel() > 0:
        x = x.contiguous()
        distributed.broadcast(x, rank)
    return x


@torch.no_grad()
def average(tensors: Sequence[Tensor]) -> None:
    """Replace each tensor by its mean over all processes, in one exchange."""
    _, processes = world()
    if processes == 1 or not tensors:
        return
    flat = torch.cat([t.flatten() for t in tensors])
    distributed.all_reduce(flat)
    for t, mean in zip(tensors, torch.split(flat / processes, [t.numel() for t in tensors]), strict=True):
        t.copy_(mean.view_as(t))
