from pathlib import Path

import pytest

from adapt.benchmark.plan.merging import config_hash, differences, merge
from adapt.errors import AdaptError
from adapt.yaml_files import read_yaml, to_yaml


def test_mappings_merge_and_the_rest_is_replaced() -> None:
    first = {"trainer": {"max_steps": 5, "callbacks": [1, 2]}, "seed": 0}
    merged = merge(first, {"trainer": {"callbacks": [3]}, "seed": None})
    assert merged == {"trainer": {"max_steps": 5, "callbacks": [3]}, "seed": None}
    assert first == {"trainer": {"max_steps": 5, "callbacks": [1, 2]}, "seed": 0}


def test_another_class_drops_the_arguments_of_the_first() -> None:
    dann = {"model": {"class_path": "DANN", "init_args": {"weight": 1.0, "backbone": {"class_path": "LeNet"}}}}
    assert merge(dann, {"model": {"class_path": "MMD", "init_args": {"layers": 2}}}) == {
        "model": {"class_path": "MMD", "init_args": {"layers": 2}}
    }


@pytest.mark.parametrize("name", ["DANN", "adapt.methods.DANN"])
def test_the_same_class_keeps_its_arguments_however_it_is_spelled(name: str) -> None:
    merged = merge({"class_path": "DANN", "init_args": {"a": 1}}, {"class_path": name, "init_args": {"b": 2}})
    assert merged["init_args"] == {"a": 1, "b": 2}


def test_arguments_alone_join_a_class_named_in_short() -> None:
    assert merge("DANN", {"init_args": {"a": 1}}) == {"class_path": "DANN", "init_args": {"a": 1}}


def test_the_hash_depends_on_values_and_not_on_the_order_of_keys() -> None:
    assert config_hash({"a": 1, "b": [2]}) == config_hash({"b": [2], "a": 1})
    assert len({config_hash({"a": value}) for value in (1, 1.5, "1", None, True, [1])}) == 6


def test_differences_name_the_key_and_both_values() -> None:
    old, new = {"trainer": {"max_steps": 600}, "x": 1}, {"trainer": {"max_steps": 800}, "y": "é"}
    assert list(differences(old, new)) == ["trainer.max_steps: 600 → 800", "x: 1 → null", 'y: null → "é"']


def test_yaml_reads_learning_rates_as_numbers_and_round_trips(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("lr: 1e-3\nname: v1e-3\nbig: 1.5E+4\n")
    content = read_yaml(path)
    assert content == {"lr": 0.001, "name": "v1e-3", "big": 15000.0}
    shared = [1]
    path.write_text(to_yaml({"text": "1e-3", "task": "a → b", "x": shared, "y": shared}), encoding="utf-8")
    assert read_yaml(path) == {"text": "1e-3", "task": "a → b", "x": [1], "y": [1]}


@pytest.mark.parametrize(
    ("text", "message"),
    [("a: 1\nb: [1\n", r"a\.yaml, line 3"), ("a: 1\nb: 2\na: 3\n", r"a\.yaml, line 3.*'a' is given twice")],
)
def test_a_mistake_in_yaml_is_named_with_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(AdaptError, match=message):
        read_yaml(path)
