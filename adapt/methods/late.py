"""Looks at what a GPU computes, once it has arrived: in a training step the host never waits for the device."""

from collections import deque
from collections.abc import Callable
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

_LAG = 2


class Arrival(Protocol):
    """The sign that a copy has arrived, as an event of CUDA is one."""

    def query(self) -> bool:
        """Whether it has."""

    def synchronize(self) -> None:
        """Wait for it."""


class _Pending(NamedTuple):
    step: int
    values: Tensor
    arrived: Arrival
    judge: Callable[[Tensor], None]


class LateChecks:
    """Values on their way from the device, each with what judges it.

    On the CPU values are judged at once. From a GPU they are copied while it works on, and judged when they have
    arrived, one or two steps later. Only where the device is more than two steps behind does the host wait, and the
    device then still has work.
    """

    def __init__(self) -> None:
        self._pending: deque[_Pending] = deque()

    def add(self, step: int, values: Tensor, judge: Callable[[Tensor], None]) -> None:
        """Have values judged, and judge those of earlier steps that are here.

        Args:
            step: The training step that they are of.
            values: Without gradient.
            judge: Raises an error if they are not what they should be; is given them on the host.
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
        """Wait for all values, and judge them: before weights are saved or evaluated, and at the end."""
        while self._pending:
            self._judge_first()

    def _judge_first(self) -> None:
        first = self._pending.popleft()
        first.arrived.synchronize()
        first.judge(first.values)


def send(values: Tensor) -> tuple[Tensor, Arrival] | None:
    """Start a copy to the host, with the sign of its arrival; None where values are there already."""
    if values.device.type != "cuda":
        return None
    host = values.to("cpu", non_blocking=True)  # into page-locked memory, without which it would not be asynchronous
    arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    arrived.record()
    return host, arrived
