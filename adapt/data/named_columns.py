"""Inputs that may come as a table whose columns have names."""

import warnings
from collections.abc import Collection, Mapping
from typing import Any

from adapt.data.array_files import from_frame
from adapt.data.base import DomainDataModule
from adapt.data.views import Inputs
from adapt.errors import AdaptError

_NAMED = 8


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


def refuse_absent_names(
    names: Mapping[str, str], usual: Mapping[str, str], there: Mapping[str, Collection[str]]
) -> None:
    """Refuse a column that a person names and no domain has: patients would be in two splits, without a word.

    Args:
        names: Option → the column that it names.
        usual: The same where the option is left out; that column need not be there.
        there: Domain → the columns that it has.

    Raises:
        AdaptError: No domain has it.

    Warns:
        UserWarning: Only some domains have what has to stay in one split.
    """
    for option, name in names.items():
        lacking = [domain for domain, own in there.items() if name not in own]
        if name == usual[option] or not lacking:
            continue
        if len(lacking) == len(there):
            found = list(dict.fromkeys(column for own in there.values() for column in own))
            listed = ", ".join(found[:_NAMED]) + (", ..." if len(found) > _NAMED else "")
            raise AdaptError(
                f"Expected {name!r} in {' or '.join(map(repr, there))}, found {listed or 'no names'}: "
                f"mend --data.{option}, or leave it out."
            )
        if option == "groups":
            warnings.warn(
                f"No {name!r} in {' and '.join(map(repr, lacking))}: a split there may cut through a group.",
                stacklevel=2,
            )
