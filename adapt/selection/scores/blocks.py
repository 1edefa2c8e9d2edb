"""Pairs of samples in blocks of rows, so that memory does not grow quadratically."""

from collections.abc import Iterator

import torch
from torch import Tensor

ENTRIES, LEAST_ROWS = 2**20, 32
"""Default entries per block (4 MiB in float32, which fits a core's cache), and the smallest number of rows."""


def row_blocks(rows: int, entries_per_row: int, block: int | None = None) -> Iterator[slice]:
    """Slices that cover all rows in order.

    Args:
        rows: Number of rows.
        entries_per_row: Numbers that a row needs at once; sets the number of rows if `block` is None.
        block: Rows per block.
    """
    height = block or max(LEAST_ROWS, ENTRIES // entries_per_row)
    for start in range(0, rows, height):
        yield slice(start, min(start + height, rows))


def distance_blocks(x: Tensor, entries_per_pair: int = 1, block: int | None = None) -> Iterator[tuple[slice, Tensor]]:
    """Squared Euclidean distances between all rows of `x`, one block of rows at a time.

    Args:
        x: Points `(N, d)`.
        entries_per_pair: Numbers that the caller computes from each distance, for the number of rows.
        block: Rows B per block.

    Yields:
        The rows, and their distances `(B, N)` to all points: nonnegative, exactly 0 to themselves.
    """
    # A common offset would cause cancellation in the Gram matrix and lose the digits of small distances.
    x = x - x.mean(0)
    norms = x.square().sum(1)
    for rows in row_blocks(len(x), entries_per_pair * len(x), block):
        squares = (norms[rows, None] + norms[None, :] - 2 * x[rows] @ x.T).clamp_min(0)
        own = torch.arange(rows.stop - rows.start, device=x.device)
        squares[own, own + rows.start] = 0
        yield rows, squares
