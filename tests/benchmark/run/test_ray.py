"""A grid on a Ray cluster of two nodes on this machine, with what may be killed killed."""

import io
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from rich.console import Console

from adapt.benchmark.plan.plan import Cell, read_plan
from adapt.benchmark.plan.resources import Resources
from adapt.benchmark.results.results import Row
from adapt.benchmark.run.grid import GridOutcome, run_grid
from adapt.benchmark.run.ray_cluster import RETRIES, RayCluster
from adapt.benchmark.run.search import run_search
from adapt.benchmark.run.train_and_test import run_cell as train_and_test
from adapt.errors import AdaptError
from benchmarks.cluster.kills import differs, plan, runners, two_nodes
from tests.benchmark.synthetic import cells, run_cell, trace

pytest.importorskip("ray", reason="needs adapt-lightning[ray]")
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ray")]

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def nodes() -> Iterator[Any]:
    """Two nodes; the second one has two GPUs, as far as Ray knows."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(ROOT)
    with two_nodes(num_gpus=0) as cluster:
        yield cluster
    os.environ.pop("PYTHONPATH") if before is None else os.environ.update(PYTHONPATH=before)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(
    nodes: Any, some: list[Cell], what: Any = run_cell, ship: bool = False, **options: Any
) -> tuple[GridOutcome, str]:
    text = io.StringIO()
    console = Console(file=text, width=200)
    with RayCluster(nodes.address, ship, console) as cluster:
        outcome = run_grid(some, what, engine=cluster.engine, console=console, **{"jobs": "auto"} | options)
    return outcome, text.getvalue()


def pids(out: Path) -> Counter[str]:
    return Counter(line.split()[-1] for line in (out / "trace.txt").read_text().splitlines())


def slow(cell: Cell) -> list[Row]:
    found = run_cell(cell)
    time.sleep(1.5)
    return found


def dying_once(cell: Cell) -> list[Row]:
    found = run_cell(cell)
    if cell.method == "DANN" and trace(cell.directory.parents[2]).count("DANN 0") == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return found


def seeing(cell: Cell) -> list[Row]:
    """Write what a cell sees, and stay until as many cells run as there are places."""
    with (cell.directory.parents[2] / "seen.txt").open("a") as file:
        policy = os.environ.get("OMP_WAIT_POLICY")
        file.write(f"{os.environ.get('CUDA_VISIBLE_DEVICES')} {torch.get_num_threads()} {policy}\n")
    end = time.monotonic() + 300
    while len((cell.directory.parents[2] / "seen.txt").read_text().splitlines()) < 4 and time.monotonic() < end:
        time.sleep(0.1)
    return run_cell(cell)


@pytest.mark.parametrize("ship", [False, True], ids=["shared folder", "sent back"])
def test_a_grid_on_two_nodes_is_a_local_one_to_the_bit(nodes: Any, folder: Path, ship: bool) -> None:
    (folder / "b.yaml").write_text(yaml.safe_dump(plan(2, 20), sort_keys=False))
    torch.set_num_threads(1)
    quiet = Console(file=io.StringIO())
    local = run_grid(read_plan(Path("b.yaml"), Path("local"), "disabled").cells, train_and_test, console=quiet)
    found, text = run(nodes, list(read_plan(Path("b.yaml"), Path("ray"), "disabled").cells), train_and_test, ship)
    assert {r.status for r in (*local.results, *found.results)} == {"ok"}
    for cell in local.results:
        assert not differs(cell.directory, Path("ray") / cell.directory.relative_to("local")), cell.name
    lines = text.splitlines()
    assert lines[0] == f"Ray: 2 nodes, 2 CPUs, 0 GPUs ({nodes.address})."
    assert len({line.rpartition(" on ")[2] for line in lines[1:]}) == 2
    assert len(lines) == 7
    assert not Path("ray/.running").exists()


def test_processes_live_as_long_as_the_grid_and_a_second_one_runs_nothing(nodes: Any, folder: Path) -> None:
    some = cells(folder / "out", seeds=4)
    assert run(nodes, some, slow)[0].failed == ()
    assert len(pids(folder / "out")) == 2
    run(nodes, some, slow)
    assert len(trace(folder / "out")) == 8


def test_a_killed_process_costs_its_cell_another_beginning(nodes: Any, folder: Path) -> None:
    outcome, text = run(nodes, cells(folder / "out", seeds=2), dying_once)
    assert {r.status for r in outcome.results} == {"ok"}
    assert Counter(trace(folder / "out")) == {"DANN 0": 2, "SourceOnly 0": 1, "SourceOnly 1": 1, "DANN 1": 1}
    assert re.search(r"lost a → b / DANN / seed 0 with its process on .+; it runs again", text)


def test_a_cell_that_kills_every_process_fails_alone(nodes: Any, folder: Path) -> None:
    some = cells(folder / "out", ("DANN", "SourceOnly", "FineTuning"), seeds=1, do="kill", where="DANN")
    some[2] = replace(some[2], init_from="DANN")
    outcome, _ = run(nodes, some)
    assert [r.status for r in outcome.results] == ["failed", "ok", "failed"]
    assert (outcome.results[0].error or "").startswith(f"Its process was lost {RETRIES + 1} times: The actor died")
    assert outcome.results[2].error == "It starts from DANN of the same task and seed, which failed."
    assert trace(folder / "out").count("DANN 0") == RETRIES + 1


def test_an_exception_in_a_cell_is_its_result(nodes: Any, folder: Path) -> None:
    outcome, text = run(nodes, cells(folder / "out", seeds=1, do="fail", where="DANN"))
    assert [r.status for r in outcome.results] == ["ok", "failed"]
    assert "failed a → b / DANN / seed 0: RuntimeError: out of memory, say" in text
    assert "Traceback" in (outcome.failed[0].directory / "error.txt").read_text()


def test_a_full_disk_of_a_node_stops_the_grid_with_one_line(nodes: Any, folder: Path) -> None:
    with pytest.raises(AdaptError, match=r"No space is left on the disk of .* the same command goes on"):
        run(nodes, cells(folder / "out", seeds=1, do="fill", where="DANN"), ship=True)
    end = time.monotonic() + 60
    while runners(nodes.head_node) and time.monotonic() < end:
        time.sleep(0.2)
    assert not runners(nodes.head_node)


def test_a_search_runs_on_the_cluster_too(nodes: Any, folder: Path) -> None:
    pytest.importorskip("optuna", reason="needs adapt-lightning[search]")
    from tests.benchmark.run.test_search import content, plan_of, searching

    console = Console(file=io.StringIO())
    searched = plan_of(folder, content(trials=2))
    with RayCluster(nodes.address, console=console) as cluster:
        there = run_search(searched, searching, engine=cluster.engine, jobs="auto", console=console)
    rows = {r.name: r.rows for r in there.results}
    here = run_search(replace_out(searched, folder / "here"), searching, console=console)
    assert rows == {r.name: r.rows for r in here.results}
    assert len(rows) == 4


def replace_out(searched: Any, out: Path) -> Any:
    moved = [replace(c, directory=out.joinpath(*c.directory.parts[-3:])) for c in searched.cells]
    return replace(searched, cells=tuple(moved))


def test_more_than_the_cluster_has_waits_and_says_so(nodes: Any, folder: Path) -> None:
    some = [replace(c, resources=Resources(gpu=0.5)) for c in cells(folder / "out", ("DANN",), seeds=4)]
    joined: list[Any] = []

    class Joining(io.StringIO):
        def write(self, text: str) -> int:
            if "wait until one joins" in text and not joined:
                joined.append(nodes.add_node(num_cpus=4, num_gpus=2, object_store_memory=80 * 2**20))
            return super().write(text)

    console = Console(file=Joining(), width=200)
    try:
        with RayCluster(nodes.address, console=console) as cluster:
            outcome = run_grid(some, seeing, engine=cluster.engine, jobs="auto", console=console)
    finally:
        for node in joined:
            nodes.remove_node(node)
    assert {r.status for r in outcome.results} == {"ok"}
    assert sorted((folder / "out" / "seen.txt").read_text().splitlines()) == ["0 1 PASSIVE"] * 2 + ["1 1 PASSIVE"] * 2


def test_a_cluster_of_this_machine_that_is_too_small_is_said(folder: Path) -> None:
    some = [replace(c, resources=Resources(cpu=64)) for c in cells(folder / "out", seeds=1)]
    with pytest.raises(AdaptError, match="No node of the Ray cluster has 64 CPUs for a cell: ask for less"):
        run(type("Own", (), {"address": None}), some)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("more", [[], ["--ship"]], ids=["shared folder", "sent back"])
def test_kills_of_a_process_a_node_and_the_command_lose_and_repeat_nothing(more: list[str]) -> None:
    words = [sys.executable, str(ROOT / "benchmarks" / "cluster" / "kills.py"), "--seeds", "3", "--steps", "200", *more]
    done = subprocess.run(words, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert "lost 0, run twice 0, different 0" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0
