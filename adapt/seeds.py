"""Which numbers are seeds."""

from numbers import Integral
from typing import Any

from adapt.errors import AdaptError


def check_seed(seed: Any, what: str) -> int:
    """A seed that Python, NumPy and torch all take.

    Args:
        seed: The number that was given.
        what: What it was given as, such as `--seed`, for the message.

    Raises:
        AdaptError: It is none.
    """
    if isinstance(seed, bool) or not isinstance(seed, Integral) or not 0 <= int(seed) < 2**32:
        raise AdaptError(f"Expected {what} as a whole number from 0 to 2**32 - 1, found {seed!r}.")
    return int(seed)
