from pathlib import Path
from typing import Any

import pytest

from adapt.benchmark.plan.plan import read_plan
from adapt.benchmark.plan.resources import Resources, read_resources
from adapt.errors import AdaptError

PLAN = """
seeds: [0]
resources: {cpu: 2, gpu: 0.25}
tasks: {a: {}}
methods:
  SourceOnly: {model: {class_path: SourceOnly}}
  DANN: {config: {model: {class_path: DANN}}, resources: {gpu: 1}}
"""


def test_a_method_may_ask_for_more_than_the_benchmark(tmp_path: Path) -> None:
    path = tmp_path / "b.yaml"
    path.write_text(PLAN)
    asked = {cell.method: cell.resources for cell in read_plan(path).cells}
    assert asked == {"SourceOnly": Resources(2, 0.25), "DANN": Resources(2, 1.0)}


def test_what_is_asked_for_is_no_part_of_the_comparison(tmp_path: Path) -> None:
    path = tmp_path / "b.yaml"
    path.write_text(PLAN)
    with_them = [cell.config_hash for cell in read_plan(path).cells]
    path.write_text(PLAN.replace("resources: {cpu: 2, gpu: 0.25}", ""))
    assert [cell.config_hash for cell in read_plan(path).cells] == with_them


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (0.25, r"expected a mapping such as \{cpu: 2, gpu: 0.25\}, found 0.25"),
        ({"gpus": 1}, "unknown key 'gpus'; did you mean 'gpu'"),
        ({"cpu": 0.5}, "expected cpu, a whole number from 1 on, found 0.5"),
        ({"cpu": True}, "expected cpu"),
        ({"gpu": 1.5}, "expected gpu, a share of one such as 0.25 or a whole number, found 1.5"),
        ({"gpu": -1}, "expected gpu"),
        ({"gpu": "all"}, "expected gpu"),
    ],
)
def test_what_no_scheduler_can_grant_is_refused(entry: Any, message: str) -> None:
    with pytest.raises(AdaptError, match=f"^b.yaml, resources: {message}"):
        read_resources(entry, "b.yaml, resources")
