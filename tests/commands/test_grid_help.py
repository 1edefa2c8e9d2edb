"""The help of `adapt benchmark` names every key of the file."""

import re

import pytest
import yaml

from adapt.benchmark.plan import plan, search_space
from adapt.commands.options import GRID_KEYS, benchmark_options


@pytest.mark.parametrize("key", [*plan._PLAN_KEYS, *plan._METHOD_KEYS, *plan._PAIR_KEYS, *search_space._KEYS])
def test_a_key_of_the_file_is_explained(key: str) -> None:
    assert re.search(rf"(^|[ {{]){key}: ?", GRID_KEYS, re.MULTILINE), key
    assert GRID_KEYS in benchmark_options().format_help()


def test_what_it_shows_is_yaml() -> None:
    shown = GRID_KEYS.split("\n", 1)[1].rpartition("\n\n")[0]
    content = yaml.safe_load(shown)
    assert set(content) == set(plan._PLAN_KEYS) and set(content["search"]) == set(search_space._KEYS)
