"""Check values that a GPU computes after they have arrived, so that the CPU does not wait in a training step."""

from collections import deque
from collections.abc import Callable
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

_LAG = 2


class Arrival(Protocol):
    """Tells whether a copy has arrived, for example a CUDA event."""

    def query(self) -> bool:
        """Whether the copy has arrived."""

    def synchronize(self) -> None:
        """Wait for the copy."""


class _Pending(NamedTuple):
    step: int
    values: Tensor
    arrived: Arrival
    judge: Callable[[Tensor], None]


class LateChecks:
    """Values that are being copied from the device, each with its check.

    On the CPU values are checked at once. From a GPU they are copied in the background and checked when they arrive,
    one or two steps later. The CPU waits only if the GPU is more than two steps behind; the GPU then still has work.
    """

    def __init__(self) -> None:
        self._pending: deque[_Pending] = deque()

    def add(self, step: int, values: Tensor, judge: Callable[[Tensor], None]) -> None:
        """Check values when they arrive, and check those of earlier steps that have arrived.

        Args:
            step: Their training step.
            values: Without gradient.
            judge: Gets the values on the CPU, and raises an error if they are wrong.
        """
        sent = send(values)
        if sent is None:
            judge(values)
            return
        self._pending.append(_Pending(step, *sent, judge))
        while self._pending[0].arrived.query() or self._pending[0].step < step - _LAG:
            self._judge_first()
            if not self._pending:
                return

    def finish(self) -> None:
        """Wait for all values and check them: before weights are saved or evaluated, and at the end."""
        while self._pending:
            self._judge_first()

    def _judge_first(self) -> None:
        first = self._pending.popleft()
        first.arrived.synchronize()
        first.judge(first.values)


def send(values: Tensor) -> tuple[Tensor, Arrival] | None:
    """Start a copy to the CPU, with the event of its arrival; None if the values are there already."""
    if values.device.type != "cuda":
        return None
    host = values.to("cpu", non_blocking=True)  # into page-locked memory; otherwise the copy is not asynchronous
    arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    arrived.record()
    return host, arrived
