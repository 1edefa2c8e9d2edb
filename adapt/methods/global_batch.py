"""Losses of the global batch: in `losses`, a method sees what all processes encode, with gradient."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor

from adapt.encoding import Encoding
from adapt.processes import gather, world


class GlobalBatch(LightningModule):
    """The part of `Method` that makes two processes with 32 samples each take the step of one with 64."""

    _sees_all = False

    def of_all_processes(self, *encodings: Encoding) -> list[Encoding]:
        """The encodings of all processes' inputs, with gradient; outside of `losses` those that are given.

        Args:
            *encodings: Of this process's inputs.
        """
        if not self._sees_all:
            return list(encodings)
        # One exchange for all of them.
        rows, widths = [len(e.features) for e in encodings], [part.shape[1] for part in encodings[0]]
        table = gather(torch.cat([torch.cat(e, 1) for e in encodings]))
        parts = torch.split(table.view(-1, sum(rows), sum(widths)), rows, 1)
        return [Encoding(*torch.split(part.flatten(0, 1), widths, 1)) for part in parts]

    @contextmanager
    def global_batch(self, batch: Any) -> Iterator[Any]:
        """Within it, losses are those of all processes' batches: `encode` and `self(x)` gather what they compute.

        Args:
            batch: This process's share.

        Yields:
            The share's inputs with the labels and indices of all processes; the batch itself where there is but one.
        """
        if world()[1] == 1:
            yield batch
            return
        self._sees_all = True
        try:
            yield type(batch)(*(_with_all_labels(part) for part in batch))
        finally:
            self._sees_all = False

    def own_share(self, x: Tensor) -> Tensor:
        """This process's rows of what the batch in `losses` has of all processes, its labels and indices."""
        rank, processes = world()
        return x.chunk(processes)[rank] if self._sees_all else x

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """As every module, and with the encodings of all processes in `losses`."""
        encoding = super().__call__(*args, **kwargs)
        return self.of_all_processes(encoding)[0] if self._sees_all else encoding


def _with_all_labels(part: Any) -> Any:
    whole = {name: value for name, value in part._asdict().items() if name != "x" and value is not None}
    return part._replace(**{name: gather(value) for name, value in whole.items()})
