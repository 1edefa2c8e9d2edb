"""How many cells run side by side, and what each gets."""

import os
from pathlib import Path

import pytest

from adapt.benchmark.run import machine
from adapt.benchmark.run.machine import Share, share, usable_cores
from adapt.errors import AdaptError


@pytest.fixture
def eight(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A machine with eight cores, much memory and no GPU."""
    monkeypatch.setattr(machine, "usable_cores", lambda: 8)
    monkeypatch.setattr(machine, "_free_memory", lambda: 64 * 2.0**30)
    monkeypatch.setattr(machine, "_devices", lambda: ())
    return monkeypatch


@pytest.mark.parametrize(("jobs", "expected"), [("auto", (8, 1)), (1, (1, 8)), (3, (3, 2)), (20, (20, 1))])
def test_threads_are_shared(jobs: machine.Jobs, expected: tuple[int, int], eight: pytest.MonkeyPatch) -> None:
    assert share(jobs) == Share(*expected)


def test_memory_limits_auto(eight: pytest.MonkeyPatch) -> None:
    eight.setattr(machine, "_free_memory", lambda: 4 * 2.0**30)
    assert share("auto") == Share(2, 4)
    eight.setattr(machine, "_free_memory", lambda: 1.0)
    assert share("auto") == Share(1, 8)


def test_each_gpu_has_a_cell(eight: pytest.MonkeyPatch) -> None:
    eight.setattr(machine, "_devices", lambda: ("2", "5"))
    assert share("auto") == Share(2, 4, ("2", "5"))
    assert share(4) == Share(4, 2, ("2", "5"))
    assert share(1) == Share(1, 8)


def test_no_cell_at_a_time_is_refused() -> None:
    with pytest.raises(AdaptError, match="--jobs of at least 1, found 0"):
        share(0)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system does not bind processes to CPUs")
def test_withheld_cpus_do_not_count(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine, "_CGROUP", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(6)))
    assert usable_cores() == 6
    (tmp_path / "cpu.max").write_text("300000 100000\n")
    assert usable_cores() == 3
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert usable_cores() == 6
