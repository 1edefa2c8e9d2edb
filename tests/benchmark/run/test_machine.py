"""How many cells run side by side, and what each gets."""

import os
from pathlib import Path

import pytest

from adapt.benchmark.plan.resources import Resources
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


@pytest.mark.parametrize(
    ("gpu", "expected"),
    [
        (0.25, (8, 1, ("2", "5"))),
        (1 / 3, (6, 1, ("2", "5"))),
        (0.1, (20, 1, ("2", "5"))),
        (1.0, (2, 4, ("2", "5"))),
        (2.0, (1, 8)),
        (0.0, (8, 1, ("",))),
    ],
)
def test_a_fraction_of_a_gpu_shares_it_and_several_are_dealt_together(
    gpu: float, expected: tuple[int, int, tuple[str, ...]], eight: pytest.MonkeyPatch
) -> None:
    eight.setattr(machine, "_devices", lambda: ("2", "5"))
    assert share("auto", Resources(gpu=gpu)) == Share(*expected)


def test_several_gpus_of_a_cell_are_one_entry(eight: pytest.MonkeyPatch) -> None:
    eight.setattr(machine, "_devices", lambda: tuple("01234"))
    assert share("auto", Resources(gpu=2)) == Share(2, 4, ("0,1", "2,3"))
    with pytest.raises(AdaptError, match=r"asks for 6 GPUs \(`resources`\), and this machine has 5"):
        share("auto", Resources(gpu=6))


def test_cpus_that_a_cell_asks_for_are_its_threads(eight: pytest.MonkeyPatch) -> None:
    assert share("auto", Resources(cpu=3)) == Share(2, 3)
    assert share(4, Resources(cpu=3)) == Share(4, 3)
    # Without a GPU the cells that ask for one run on the CPUs.
    assert share("auto", Resources(cpu=2, gpu=0.25)) == Share(4, 2)


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
