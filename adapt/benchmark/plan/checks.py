"""Errors about keys and names that a file has and nothing knows."""

import difflib
from collections.abc import Collection, Mapping
from typing import Any

from adapt.errors import AdaptError


def check_keys(content: Mapping[str, Any], known: Collection[str], where: str) -> None:
    """Refuse keys that are not known.

    Raises:
        AdaptError: One is not.
    """
    for key in content:
        if key not in known:
            raise AdaptError(f"{where}: unknown key {key!r}{hint(str(key), known)}")


def hint(found: str, known: Collection[str]) -> str:
    """The end of a sentence about an unknown name: the nearest known one, or all."""
    close = difflib.get_close_matches(found, known, 1, 0.6)
    return f"; did you mean {close[0]!r}?" if close else f"; expected {listed(known)}."


def listed(known: Collection[str]) -> str:
    """What is known, a set in the order of the alphabet."""
    return f"one of {', '.join(sorted(known) if isinstance(known, set) else known)}"
