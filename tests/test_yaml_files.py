from pathlib import Path
from typing import Any

import pytest

from adapt.errors import AdaptError
from adapt.names import folder_name, slug
from adapt.yaml_files import read_yaml, to_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("1.5E+4", 15000.0),
        (".5", 0.5),
        ("-.inf", float("-inf")),
        ("1_000", 1000),
        ("0x1f", 31),
        ("007", "007"),
        ("0123", "0123"),
        ("12:30", "12:30"),
        ("00:00:10:00", "00:00:10:00"),
        ("2020-01-01", "2020-01-01"),
        ("v1e-3", "v1e-3"),
        ("yes", True),
        ("null", None),
    ],
)
def test_a_plain_word_is_read_as_it_is_meant_and_survives_writing(tmp_path: Path, text: str, value: Any) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(f"a: {text}\n")
    assert read_yaml(path) == {"a": value}
    path.write_text(to_yaml({"a": value, "b": text}), encoding="utf-8")
    assert read_yaml(path) == {"a": value, "b": text}


def test_what_aliases_repeat_within_bounds_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("base: &b {x: 1}\none: {<<: *b, y: 2}\ntwo: *b\n")
    assert read_yaml(path) == {"base": {"x": 1}, "one": {"x": 1, "y": 2}, "two": {"x": 1}}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: !!python/name:os.system\n", "line 1: not valid YAML: could not determine a constructor"),
        ("a: 1\nb: !!timestamp x\n", "line 2"),
        ("a: !!bool maybe\n", "'maybe' cannot be read"),
        ("a: *b\n", "undefined alias"),
        ("? [a]\n: 1\n", "unhashable"),
        ("a: 1\n--- \nb: 2\n", "another document"),
        ("a: " + "9" * 9999, "cannot be read"),
    ],
)
def test_what_cannot_be_read_is_one_line(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(AdaptError, match=words):
        read_yaml(path)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(AdaptError, match="found something else"):
        read_yaml(tmp_path / "pipe")
    with pytest.raises(AdaptError, match="found none"):
        read_yaml(tmp_path / ("x" * 300))


def test_a_long_name_is_cut_and_stays_apart_from_its_neighbours() -> None:
    long, other = "é" * 200 + "a", "é" * 200 + "b"
    assert slug(long) != slug(other)
    assert len(slug(long).encode()) < 140
    assert folder_name("😀") != folder_name("🎉") != ""
    assert [slug(n) for n in ("a/b", "..", "A → B", "x (1)", "é")] == ["a-b", "", "A-to-B", "x-1", "é"]
