"""Datamodules in memory whose inputs may be standardised, with statistics that a checkpoint keeps for new data."""

from typing import Any

import torch
from torch import Tensor

from adapt.data.base import DomainDataModule
from adapt.data.statistics import Statistics
from adapt.errors import AdaptError


class StandardisedDataModule(DomainDataModule):
    """Base of datasets with `standardise`: `none`, by the `source`'s statistics, or by each domain's own (`domains`).

    A dataset sets `standardise` and an empty `_statistics` before it calls this `__init__`, and writes
    `training_inputs(name)`.
    """

    standardise: str
    _statistics: dict[str, Statistics]

    def training_inputs(self, name: str) -> Tensor:
        """The training inputs `(N, d, ...)` of a domain as they are, before they are standardised."""
        raise AdaptError(f"{type(self).__name__} has to define training_inputs(name), which returns a tensor.")

    def standardised(self, x: Tensor, name: str) -> Tensor:
        """Inputs `(N, d, ...)` as the network sees those of a domain."""
        return x if self.standardise == "none" else self._statistics_of(name).applied(x)

    def state_dict(self) -> dict[str, Any]:
        """Also what the inputs are standardised with, so that new data need no training data."""
        found = {}
        if self.standardise != "none":
            names = {self.target} if self.source_free else {self.target, *self.sources}
            found = {name: self._statistics_of(name).plain() for name in sorted(names)}
        return super().state_dict() | {"statistics": found}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the statistics, too."""
        super().load_state_dict(state_dict)
        self._statistics = {name: Statistics.of_plain(v) for name, v in state_dict.get("statistics", {}).items()}

    def _refuse_source_statistics(self) -> None:
        if self.standardise == "source" and self.source_free:
            raise AdaptError(
                "Expected standardise none or domains beside source_free, found source, which reads its samples."
            )

    def _statistics_of(self, name: str) -> Statistics:
        if name not in self._statistics:
            names = self.sources if self.standardise == "source" else [name]
            self._statistics[name] = Statistics.of(torch.cat([self.training_inputs(each) for each in names]))
        return self._statistics[name]
