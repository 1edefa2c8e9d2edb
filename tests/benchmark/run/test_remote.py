"""What a machine of a cluster does with a cell, without a cluster."""

import io
import json
import os
import pickle
import re
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from adapt.benchmark.plan.plan import Cell
from adapt.benchmark.results.results import CellResult, Row, read_result
from adapt.benchmark.run import remote
from adapt.benchmark.run.grid import run_grid
from adapt.benchmark.run.ray_cluster import RayCluster
from adapt.benchmark.run.remote import CellRunner, Home, Sent, unpack
from adapt.commands.grids import benchmark_command
from adapt.errors import AdaptError
from tests.benchmark.synthetic import cells, run_cell, trace


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A runner changes folder, path and variables of its process for good."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = dict(os.environ)
    yield
    for name in os.environ.keys() - before.keys():
        del os.environ[name]


def starting(cell: Cell) -> list[Row]:
    """Writes what a run writes: its configuration with paths, weights, and what it began with."""
    start = cell.config.get("model", {}).get("init_args", {}).get("init_from")
    begun = Path(start).read_text() if start else "nothing"
    config = {"saved_in": str(cell.directory), "init_from": start}
    (cell.directory / "config.yaml").write_text(json.dumps(config))
    (cell.directory / "checkpoints").mkdir()
    (cell.directory / "checkpoints" / "last.ckpt").write_text(f"{cell.method} after {begun}")
    os.write(1, f"{cell.method} trains\n".encode())  # as a library in C does
    if cell.config.get("do") == "fail":
        raise RuntimeError(f"no file {cell.directory / 'x'}")
    return [Row(rule="last", source_accuracy=0.9, target_accuracy=0.5, step=1)]


def home(folder: Path, ship: bool) -> Home:
    made = Home(folder, folder / "out", "token", ship, {"ADAPT_SEEN_HERE": "yes"})
    made.announce()
    return made


def runner(folder: Path, ship: bool, what: object = starting) -> CellRunner:
    return CellRunner(home(folder, ship), pickle.dumps(what), "adapt benchmark", 1, False)


def pair(out: Path) -> tuple[Cell, Cell]:
    first, second = cells(out, ("SourceOnly", "TENT"), seeds=1)
    config = {"model": {"init_args": {"init_from": str(first.directory / "checkpoints" / "last.ckpt")}}}
    return first, replace(second, init_from="SourceOnly", config=second.config | config)


@pytest.mark.parametrize("out", ["out", "absolute"])
def test_a_cell_that_is_sent_back_is_the_same_as_one_in_place(tmp_path: Path, out: str) -> None:
    folder = Path("out") if out == "out" else tmp_path / "out"
    first, second = pair(folder)
    kept: dict[bool, dict[str, bytes]] = {}
    for ship in (False, True):
        working = runner(tmp_path, ship)
        assert working._ships == ship
        for cell in (first, second):
            begun = Path(cell.config["model"]["init_args"]["init_from"]).read_bytes() if cell is second else None
            sent = working.run(cell, 1, begun if ship else None)
            assert isinstance(sent.result, CellResult)
            assert sent.result.status == "ok"
            assert sent.result.directory == cell.directory
            assert (sent.files is not None) == ship
            if sent.files is not None:
                assert not (cell.directory / "result.json").exists()
                unpack(sent.files, cell)
            assert read_result(cell.directory / "result.json") == sent.result
        files = {str(p.relative_to(folder)): p.read_bytes() for p in folder.glob("*/*/*/**/*") if p.is_file()}
        assert b"TENT trains" in files["a-to-b/TENT/0/log.txt"]
        assert files["a-to-b/TENT/0/checkpoints/last.ckpt"] == b"TENT after SourceOnly after nothing"
        saved = json.loads(files["a-to-b/TENT/0/config.yaml"])
        assert Path(saved["init_from"]).absolute() == Path(second.config["model"]["init_args"]["init_from"]).absolute()
        assert Path(saved["saved_in"]).absolute() == second.directory.absolute()
        kept[ship] = {n: b for n, b in files.items() if not n.endswith(("result.json", "config.yaml"))}
        for cell in (first, second):
            (cell.directory / "result.json").unlink()
    assert kept[False] == kept[True]
    assert os.environ["ADAPT_SEEN_HERE"] == "yes"


def test_a_machine_that_does_not_see_the_folder_sends_back(tmp_path: Path) -> None:
    there = replace(home(tmp_path, False), token="of another grid")
    assert CellRunner(there, pickle.dumps(starting), "", 1, False)._ships
    nowhere = replace(home(tmp_path, False), folder=tmp_path / "nowhere")
    assert CellRunner(nowhere, pickle.dumps(starting), "", 1, False)._ships


def test_a_failure_that_is_sent_back_names_no_folder_of_that_machine(tmp_path: Path) -> None:
    (cell,) = cells(Path("out"), ("DANN",), seeds=1, do="fail")
    sent = runner(tmp_path, True).run(cell, 1, None)
    assert sent.files is not None
    unpack(sent.files, cell)
    result = read_result(cell.directory / "result.json")
    assert result.status == "failed"
    assert re.fullmatch(r"RuntimeError: no file a-to-b/DANN/0/x \(in test_remote\.py, line \d+\)", result.error or "")


def test_half_a_folder_that_was_sent_back_is_a_cell_that_never_ran(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cell,) = cells(Path("out"), ("DANN",), seeds=1)
    sent = runner(tmp_path, True).run(cell, 1, None)
    assert sent.files is not None
    left = [2]

    def extract(self: zipfile.ZipFile, name: str, path: Path) -> None:
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt

    monkeypatch.setattr(zipfile.ZipFile, "extract", extract)
    with pytest.raises(KeyboardInterrupt):
        unpack(sent.files, cell)
    assert not (cell.directory / "result.json").exists()
    outcome = run_grid([cell], run_cell, console=Console(file=io.StringIO()))
    assert outcome.results[0].status == "ok"


def test_a_result_that_its_process_wrote_before_it_died_is_not_run_again(tmp_path: Path) -> None:
    (cell,) = cells(Path("out"), ("DANN",), seeds=1)
    working = runner(tmp_path, False, run_cell)
    assert working.run(cell, 1, None) == working.run(cell, 2, None)
    assert trace(Path("out")) == ["DANN 0"]
    working.run(cell, 1, None)
    assert trace(Path("out")) == ["DANN 0"] * 2


def test_a_cell_waits_until_the_process_that_had_it_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (cell,) = cells(Path("out"), ("DANN",), seeds=1)
    working = runner(tmp_path, False, run_cell)
    monkeypatch.setattr(remote, "_WAIT_SECONDS", 0.3)
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with remote._alone(tmp_path / "out", cell):
            entered.set()
            leave.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    entered.wait(20)
    with pytest.raises(AdaptError, match="Another process still runs a → b / DANN / seed 0"):
        working.run(cell, 1, None)
    assert trace(Path("out")) == []
    threading.Timer(0.1, leave.set).start()
    monkeypatch.setattr(remote, "_WAIT_SECONDS", 20.0)
    began = time.monotonic()
    assert isinstance(working.run(cell, 1, None), Sent)
    assert time.monotonic() - began < 10
    thread.join()


def test_ray_is_asked_for_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(AdaptError, match=r"^--engine ray needs Ray: pip install 'adapt-lightning\[ray\]'\.$"):
        benchmark_command(["--config", "missing.yaml", "--engine", "ray"])


def test_options_of_ray_without_ray_are_refused() -> None:
    for words in (["--address", "auto"], ["--ship"]):
        with pytest.raises(AdaptError, match="--address and --ship are for --engine ray"):
            benchmark_command(["--config", "missing.yaml", *words])


@pytest.mark.parametrize("address", ["127.0.0.1:1", "head", "head:port"])
def test_an_address_where_nothing_answers_is_said_at_once(address: str) -> None:
    pytest.importorskip("ray", reason="needs adapt-lightning[ray]")
    with pytest.raises(AdaptError, match=f"No Ray cluster answers at {address} .*`ray start --head`"):
        RayCluster(address).__enter__()


def test_the_address_of_rays_client_is_refused() -> None:
    pytest.importorskip("ray", reason="needs adapt-lightning[ray]")
    with pytest.raises(AdaptError, match=r"Expected host:port of a Ray cluster, found ray://head:10001"):
        RayCluster("ray://head:10001")
