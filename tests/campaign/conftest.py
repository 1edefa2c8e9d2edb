"""Everything in this folder is the campaign; what its parts count is summed at the end (tests/conftest.py)."""

from collections.abc import Callable
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if FOLDER in item.path.parents:
            item.add_marker(pytest.mark.campaign)


@pytest.fixture
def count(record_property: Callable[[str, object], None]) -> Callable[[str, int], None]:
    """Add to a figure of the campaign."""
    return lambda name, number: record_property(f"campaign: {name}", number)
