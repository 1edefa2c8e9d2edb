"""The home folder in words of a command, where no shell has put it in."""

from pathlib import Path

import pytest

from adapt.data import Moons
from adapt.paths import data_root, from_home
from adapt.training.saved_config import read_from_home


@pytest.mark.parametrize(
    ("word", "read"),
    [
        ("--run_dir=~/a b", "--run_dir=/home/me/a b"),
        ("~/a", "/home/me/a"),
        ("~", "/home/me"),
        ("a~/b", "a~/b"),
        ("~b", "~b"),
        ("--x=1~/", "--x=1~/"),
    ],
)
def test_a_tilde_is_the_home_folder(word: str, read: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert from_home(word) == read


def test_a_tilde_in_a_file_or_in_python_is_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    config = {"run_dir": "~/r", "ckpt_path": None, "data": {"init_args": {"root": "~/d", "target": "~/t"}}}
    read_from_home(config)
    assert config == {
        "run_dir": "/home/me/r",
        "ckpt_path": None,
        "data": {"init_args": {"root": "/home/me/d", "target": "~/t"}},
    }
    assert data_root("~/d") == Moons("moons", "moons_30", root="~/d").root == Path("/home/me/d")
