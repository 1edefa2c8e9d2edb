from typing import Any

import pytest

from adapt.benchmark.results.units import domain_pair, shared_pairs


def config(**arguments: Any) -> dict[str, Any]:
    return {"data": {"class_path": "Arrays", "init_args": {"source": "before", "target": "after", **arguments}}}


@pytest.mark.parametrize("place", ["root", "dataset", "folder", "file"])
def test_domains_of_one_name_in_another_place_are_other_domains(place: str) -> None:
    """Two studies with the same two names were one observation, and one of them could not be chosen on."""
    pairs = {study: domain_pair(config(**{place: study})) for study in ("heart", "lung")}
    assert shared_pairs(pairs) == {}
    assert set(shared_pairs(pairs | {"lung, few labels": domain_pair(config(**{place: "lung"}, shots=1))})) == {
        "lung",
        "lung, few labels",
    }
    assert domain_pair(config(source=["a", "b"], target="c", file="all.csv")) == "Arrays all.csv a+b → c"
