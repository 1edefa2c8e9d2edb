"""Inputs that may come as a table whose columns have names."""

from typing import Any

from adapt.data.array_files import from_frame
from adapt.data.base import DomainDataModule
from adapt.data.views import Inputs


class NamedColumns(DomainDataModule):
    """Takes the columns of a DataFrame by the names that they had in training, also in a run that is loaded."""

    _columns: tuple[str, ...] | None = None
    """The columns of the inputs in their order; None where they have no names."""

    def prepare(self, inputs: Any) -> Inputs:
        """Arrays, or a DataFrame, that a person has in Python.

        Args:
            inputs: Numbers `(N, ...)`; of a DataFrame the columns are taken by their names.
        """
        found: Inputs = super().prepare(from_frame(inputs, self._columns, "the table"))
        return found

    def state_dict(self) -> dict[str, Any]:
        """Also which columns the inputs are, so that new tables may have them in another order."""
        return super().state_dict() | {"columns": None if self._columns is None else list(self._columns)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore them, too."""
        super().load_state_dict(state_dict)
        if columns := state_dict.get("columns"):
            self._columns = tuple(columns)
