import errno
import gc
import io
import json
import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from threadpoolctl import threadpool_info

from adapt.benchmark.plan.plan import Cell
from adapt.benchmark.plan.resources import Resources
from adapt.benchmark.results.results import Row, read_results
from adapt.benchmark.run import machine
from adapt.benchmark.run.grid import GridOutcome, run_grid
from adapt.benchmark.run.lock import HOLDER_FILE, LOCK_FILE, locked
from adapt.benchmark.run.progress import GridProgress, duration
from adapt.commands.main import in_words
from adapt.errors import AdaptError
from tests.benchmark.synthetic import cells, result, run_cell, trace


def run(some: list[Cell], **options: object) -> tuple[GridOutcome, str]:
    text = io.StringIO()
    outcome = run_grid(some, run_cell, console=Console(file=text), **options)  # type: ignore[arg-type]
    return outcome, text.getvalue()


def statuses(outcome: GridOutcome) -> dict[str, str]:
    return {f"{r.method} {r.seed}": r.status for r in outcome.results}


def test_every_cell_runs_once_and_a_second_grid_runs_nothing(tmp_path: Path) -> None:
    outcome, text = run(cells(tmp_path), command="adapt benchmark --config b.yaml")
    assert set(statuses(outcome).values()) == {"ok"}
    assert "3/4 ok a → b / SourceOnly / seed 1: target 0.510 (0 s)\n" in text
    assert run(cells(tmp_path))[0] == outcome
    assert trace(tmp_path) == ["SourceOnly 0", "DANN 0", "SourceOnly 1", "DANN 1"]
    assert outcome.results[0].command == "adapt benchmark --config b.yaml"
    assert outcome.results[0].config_hash == cells(tmp_path)[0].config_hash
    assert not (tmp_path / HOLDER_FILE).exists()


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), SystemExit(1), signal.SIGTERM])
def test_a_stopped_grid_resumes_where_it_was(tmp_path: Path, stop: BaseException | signal.Signals) -> None:
    def stops_at_the_third(cell: Cell) -> list[Row]:
        found = run_cell(cell)
        if (cell.method, cell.seed) == ("SourceOnly", 1):
            if isinstance(stop, signal.Signals):
                os.kill(os.getpid(), stop)
                time.sleep(5)
            else:
                raise stop
        return found

    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    text = io.StringIO()
    outcome = run_grid(cells(tmp_path), stops_at_the_third, command="adapt benchmark", console=Console(file=text))
    assert outcome.interrupted
    assert "Stopped: 2 of 4 cells are done and kept. To go on, run: adapt benchmark\n" in text.getvalue()
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    unfinished = tmp_path / "a-to-b" / "SourceOnly" / "1"
    assert not (unfinished / "result.json").exists()
    (unfinished / "checkpoints").mkdir()
    (unfinished / "checkpoints" / "last.ckpt").touch()

    resumed, _ = run(cells(tmp_path))
    assert not resumed.interrupted
    assert len(resumed.results) == 4
    assert trace(tmp_path) == ["SourceOnly 0", "DANN 0", "SourceOnly 1", "SourceOnly 1", "DANN 1"]
    assert not (unfinished / "checkpoints").exists()


@pytest.mark.parametrize(
    ("do", "status", "error"),
    [
        ("fail", "failed", "RuntimeError: out of memory, say"),
        ("diverge", "diverged", "domain_loss is nan at step 3"),
        ("garble", "failed", r"Expected accuracy in [0, 1] under rule 'last', found nan."),
        ("refuse", "failed", "The command line refused this configuration; it printed why."),
    ],
)
def test_a_failing_cell_is_a_result_and_the_others_go_on(tmp_path: Path, do: str, status: str, error: str) -> None:
    outcome, text = run(cells(tmp_path, do=do, where="DANN"))
    assert statuses(outcome) == {"SourceOnly 0": "ok", "DANN 0": status, "SourceOnly 1": "ok", "DANN 1": status}
    found = str(outcome.failed[0].error)
    assert found == error or found.startswith(f"{error} (in ")  # the line of a person's own code
    assert f"2/4 {status} a → b / DANN / seed 0: {error}" in text
    assert "Traceback" in (outcome.failed[0].directory / "error.txt").read_text()


@pytest.mark.parametrize("words", ["one", "many\n" * 200, ""])
@pytest.mark.parametrize("kind", [MemoryError, RuntimeError, AssertionError])
def test_a_failed_cell_names_an_error_as_a_failed_command_does(
    tmp_path: Path, kind: type[Exception], words: str
) -> None:
    seen: list[Exception] = []

    def failing(cell: Cell) -> list[Row]:
        try:
            raise kind(*filter(None, [words]))
        except Exception as error:
            seen.append(error)
            raise

    outcome = run_grid(cells(tmp_path, ("A",), seeds=1), failing, console=Console(file=io.StringIO()))
    error = str(outcome.failed[0].error)
    assert error == in_words(seen[0])[1].splitlines()[0] and len(error) < 500
    assert f"(in {os.path.relpath(__file__)}, line " in error
    assert ("--data.batch_size" in error) == (kind is MemoryError)


def test_failures_run_again_only_when_asked(tmp_path: Path) -> None:
    some = cells(tmp_path, do="fail", where="DANN")
    run(some)
    run(some)
    assert len(trace(tmp_path)) == 4
    outcome, _ = run(some, retry=True)
    assert trace(tmp_path)[4:] == ["DANN 0", "DANN 1"]
    assert len(outcome.failed) == 2


def test_a_failure_whose_configuration_was_mended_runs_again(tmp_path: Path) -> None:
    run(cells(tmp_path, methods=("DANN",), do="fail", where="DANN"))
    assert statuses(run(cells(tmp_path, methods=("DANN",)))[0]) == {"DANN 0": "ok", "DANN 1": "ok"}


def test_cells_that_start_from_a_failed_one_fail_with_the_reason(tmp_path: Path) -> None:
    some = cells(tmp_path, ("SourceOnly", "FineTuning"), do="fail", where="SourceOnly")
    some = [replace(c, init_from="SourceOnly") if c.method == "FineTuning" else c for c in some]
    outcome, _ = run(some)
    assert set(statuses(outcome).values()) == {"failed"}
    assert outcome.results[1].error == "It starts from SourceOnly of the same task and seed, which failed."
    assert trace(tmp_path) == ["SourceOnly 0", "SourceOnly 1"]


def test_a_changed_configuration_is_noticed_and_named(tmp_path: Path) -> None:
    run(cells(tmp_path, steps=600))
    with pytest.raises(AdaptError, match=r"SourceOnly / seed 0 \(and 3 more\).*steps: 600 → 800.*--rerun-changed"):
        run(cells(tmp_path, steps=800))
    assert len(trace(tmp_path)) == 4
    run(cells(tmp_path, steps=800), rerun_changed=True)
    assert len(trace(tmp_path)) == 8
    run(cells(tmp_path, steps=800))
    assert len(trace(tmp_path)) == 8


def test_a_truncated_result_is_said_and_run_again(tmp_path: Path) -> None:
    run(cells(tmp_path))
    path = tmp_path / "a-to-b" / "DANN" / "0" / "result.json"
    path.write_text(path.read_text()[:50])
    _, text = run(cells(tmp_path))
    assert "is truncated or not a result: this cell runs again." in text
    assert trace(tmp_path)[4:] == ["DANN 0"]
    assert len(read_results(tmp_path)) == 4


def test_a_folder_that_no_grid_wrote_is_left_alone(tmp_path: Path) -> None:
    precious = tmp_path / "a-to-b" / "DANN" / "0" / "thesis.tex"
    precious.parent.mkdir(parents=True)
    precious.touch()
    with pytest.raises(AdaptError, match=r"files that no grid wrote"):
        run(cells(tmp_path))
    assert precious.exists()
    assert trace(tmp_path) == []


def test_a_directory_that_cannot_be_written_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for out in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/nowhere")):
        with pytest.raises(AdaptError, match="choose another --out"):
            run(cells(out))


def test_two_grids_do_not_share_a_directory(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(AdaptError, match=rf"Another grid \(process {os.getpid()} on .+\) runs in"):
        run(cells(tmp_path))
    assert trace(tmp_path) == []
    assert len(run(cells(tmp_path, seeds=1))[0].results) == 2


@pytest.mark.parametrize("left", ["", "{", json.dumps({"pid": 1, "host": socket.gethostname()})])
def test_a_lock_file_that_nobody_holds_is_no_lock(tmp_path: Path, left: str) -> None:
    for name in (LOCK_FILE, HOLDER_FILE):
        (tmp_path / name).write_text(left)
    assert len(run(cells(tmp_path, seeds=1))[0].results) == 2


def hold(directory: Path, holds: Any) -> None:
    with locked(directory):
        holds.set()
        time.sleep(60)


def test_a_killed_grid_holds_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    holds = context.Event()
    process = context.Process(target=hold, args=(tmp_path, holds))
    process.start()
    assert holds.wait(30)
    with pytest.raises(AdaptError, match=f"process {process.pid} on"):
        run(cells(tmp_path))
    process.kill()
    process.join()
    assert len(run(cells(tmp_path, seeds=1))[0].results) == 2


def start_at_once(directory: Path, barrier: Any, winners: Any) -> None:
    for turn in range(len(winners)):
        barrier.wait()
        try:
            with locked(directory):
                with winners.get_lock():
                    winners[turn] += 1
                barrier.wait()
        except AdaptError:
            barrier.wait()
        barrier.wait()


def test_of_many_starters_exactly_one_gets_the_directory(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    barrier, winners = context.Barrier(6), context.Array("i", 250)
    starters = [context.Process(target=start_at_once, args=(tmp_path, barrier, winners)) for _ in range(6)]
    for starter in starters:
        starter.start()
    for starter in starters:
        starter.join()
    assert list(winners) == [1] * 250


def test_no_cells_and_no_jobs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AdaptError, match="at least one cell"):
        run([])
    with pytest.raises(AdaptError, match="--jobs of at least 1, found 0"):
        run(cells(tmp_path), jobs=0)


def test_two_jobs_give_the_same_results_from_two_processes(tmp_path: Path) -> None:
    serial, _ = run(cells(tmp_path / "serial", seeds=3))
    parallel, _ = run(cells(tmp_path / "parallel", seeds=3), jobs=2)
    assert [(r.name, r.rows) for r in serial.results] == [(r.name, r.rows) for r in parallel.results]
    lines = (tmp_path / "parallel" / "trace.txt").read_text().split("\n")[:-1]
    assert len(lines) == 6
    assert len({line.split()[-1] for line in lines} - {str(os.getpid())}) == 2
    assert {r.threads for r in parallel.results} == {1}


@pytest.mark.parametrize("stream", [io.StringIO(), None])
def test_workers_do_without_the_streams_of_a_notebook(
    tmp_path: Path, stream: io.StringIO | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout", stream)
    outcome, _ = run(cells(tmp_path, seeds=1), jobs=2)
    assert set(statuses(outcome).values()) == {"ok"}


def see(cell: Cell) -> list[Row]:
    """Leave what a cell sees of the GPUs, and stay until as many cells as there are places run."""
    running = cell.directory.parents[2] / "running"
    running.mkdir(exist_ok=True)
    (running / str(cell.seed)).touch()
    with (cell.directory.parents[2] / "seen.txt").open("a") as file:
        file.write(f"{os.environ.get('CUDA_VISIBLE_DEVICES')} {torch.get_num_threads()}\n")
    end = time.monotonic() + 20
    while len(list(running.iterdir())) < 4 and time.monotonic() < end:
        time.sleep(0.02)
    return run_cell(cell)


@pytest.mark.parametrize(
    ("gpu", "seen"),
    [
        (0.5, ["0 2", "0 2", "1 2", "1 2"]),
        pytest.param(
            None, ["0 2", "0 2", "1 2", "1 2"], marks=pytest.mark.slow
        ),  # cells wait for more than there can be
        pytest.param(2.0, ["0,1 2"] * 4, marks=pytest.mark.slow),
        (0.0, [" 2"] * 4),
    ],
)
def test_every_cell_sees_its_gpu_alone(
    tmp_path: Path, gpu: float | None, seen: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "_devices", lambda: ("0", "1"))
    monkeypatch.setattr(machine, "usable_cores", lambda: 8)
    some = [replace(c, resources=Resources(gpu=gpu)) for c in cells(tmp_path, methods=("DANN",), seeds=4)]
    jobs: machine.Jobs = "auto" if gpu == 0.5 else 4
    outcome = run_grid(some, see, jobs=jobs, console=Console(file=io.StringIO()))
    assert set(statuses(outcome).values()) == {"ok"}
    assert sorted((tmp_path / "seen.txt").read_text().splitlines()) == sorted(seen)


def count_threads(cell: Cell) -> list[Row]:
    pools = {pool["num_threads"] for pool in threadpool_info()}
    (cell.directory / "threads.txt").write_text(f"{sorted(pools)} {os.environ['OMP_NUM_THREADS']}")
    return run_cell(cell)


def test_a_cells_threads_are_those_of_every_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "usable_cores", lambda: 6)
    outcome = run_grid(cells(tmp_path, seeds=1), count_threads, jobs=2, console=Console(file=io.StringIO()))
    assert {r.threads for r in outcome.results} == {3}
    assert {(r.directory / "threads.txt").read_text() for r in outcome.results} == {"[3] 3"}


def test_a_killed_worker_fails_its_cell_alone(tmp_path: Path) -> None:
    some = cells(tmp_path, ("DANN", "SourceOnly", "MMD", "FineTuning"), seeds=1, do="kill", where="DANN")
    some[3] = replace(some[3], init_from="DANN")
    outcome, _ = run(some, jobs=2)
    assert not outcome.interrupted
    assert statuses(outcome) == {"DANN 0": "failed", "SourceOnly 0": "ok", "MMD 0": "ok", "FineTuning 0": "failed"}
    assert outcome.failed[0].error == "The worker process died (SIGKILL, usually out of memory)."
    assert outcome.failed[1].error == "It starts from DANN of the same task and seed, which failed."
    assert (outcome.failed[0].directory / "log.txt").exists()


def test_two_jobs_end_when_only_hopeless_cells_are_left(tmp_path: Path) -> None:
    some = cells(tmp_path, ("SourceOnly", "FineTuning"), seeds=1, do="fail", where="SourceOnly")
    some = [replace(c, init_from="SourceOnly") if c.method == "FineTuning" else c for c in some]
    outcome, _ = run(some, jobs=2)
    assert not outcome.interrupted
    assert [r.status for r in outcome.results] == ["failed", "failed"]


def test_ctrl_c_ends_two_jobs_and_their_processes(tmp_path: Path) -> None:
    def press_when_both_run() -> None:
        while len(trace(tmp_path)) < 2:
            time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=press_when_both_run)
    thread.start()
    outcome, text = run(cells(tmp_path, do="sleep"), jobs=2)
    thread.join()
    assert outcome.interrupted
    assert "Stopped: 0 of 4" in text
    assert multiprocessing.active_children() == []


def test_the_time_left_follows_each_methods_own_duration(tmp_path: Path) -> None:
    some = cells(tmp_path, seeds=2)
    known = [
        replace(result("a → b", "SourceOnly", 0, 0.5), wall_seconds=10.0),
        replace(result("a → b", "DANN", 0, 0.5), wall_seconds=30.0),
    ]
    assert GridProgress(Console(file=io.StringIO()), some, known, jobs=1).seconds_left() == 40.0
    assert GridProgress(Console(file=io.StringIO()), some, known, jobs=2).seconds_left() == 20.0
    assert GridProgress(Console(file=io.StringIO()), some, [], jobs=1).seconds_left() is None


def test_a_terminal_gets_a_bar_with_done_running_and_failed(tmp_path: Path) -> None:
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=160, color_system=None)
    some = cells(tmp_path)
    with GridProgress(console, some, [result("a → b", "SourceOnly", 0, None)], jobs=1) as progress:
        progress.start(some[1])
    assert "cells 1/4" in text.getvalue()
    assert "1 running · 1 failed · a → b / DANN / seed 0" in text.getvalue()


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0 s"), (59.4, "59 s"), (185, "3 min 05 s"), (7800, "2 h 10 min")])
def test_durations_read_well(seconds: float, text: str) -> None:
    assert duration(seconds) == text


class Ring:
    """Refers to itself, as a trainer and its method do to each other."""

    alive = 0

    def __init__(self) -> None:
        self.other = self
        Ring.alive += 1

    def __del__(self) -> None:
        Ring.alive -= 1


def test_what_a_cell_leaves_in_circles_is_gone_before_the_next(tmp_path: Path) -> None:
    seen: list[int] = []

    def leaving(cell: Cell) -> list[Row]:
        seen.append(Ring.alive)
        Ring()
        return run_cell(cell)

    # Without the grid's own search, the collector would not come in so few cells.
    gc.disable()
    try:
        run_grid(cells(tmp_path), leaving, console=Console(file=io.StringIO()))
    finally:
        gc.enable()
    assert seen == [0, 0, 0, 0]


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def hidden(*_: object) -> None:
    try:
        full()
    except OSError:
        raise RuntimeError("PytorchStreamWriter failed writing file data/3")  # noqa: B904  # as libraries do


@pytest.mark.parametrize("fails", [full, hidden])
def test_a_full_disk_stops_the_grid_with_one_line_and_loses_nothing(tmp_path: Path, fails: Callable[[], None]) -> None:
    def filling(cell: Cell) -> list[Row]:
        found = run_cell(cell)
        if (cell.method, cell.seed) == ("SourceOnly", 1):
            fails()
        return found

    with pytest.raises(AdaptError, match=r"No space is left.* 2 of 4 cells are done and kept.*run: adapt benchmark$"):
        run_grid(cells(tmp_path), filling, command="adapt benchmark", console=Console(file=io.StringIO()))
    assert len(read_results(tmp_path)) == 2
    outcome, _ = run(cells(tmp_path))
    assert set(statuses(outcome).values()) == {"ok"}
    assert trace(tmp_path) == ["SourceOnly 0", "DANN 0", "SourceOnly 1", "SourceOnly 1", "DANN 1"]


@pytest.mark.parametrize("name", ["plan.json", "cell.yaml", "result.json", "error.txt"])
def test_no_file_of_a_grid_is_half_written_on_a_full_disk(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = [1]
    replace_file = Path.replace

    def replacing(self: Path, target: Path) -> Path:
        if target.name == name and not left[0]:
            full()
        left[0] -= target.name == name and bool(left[0])
        return replace_file(self, target)

    some = cells(tmp_path, do="fail", where="DANN")
    left[0] = 0 if name == "plan.json" else 1
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", replacing)
        with pytest.raises(AdaptError, match="No space is left"):
            run(some)
    assert not list(tmp_path.rglob("*.tmp"))
    assert len(run(some)[0].results) == 4


def test_a_full_disk_in_a_worker_stops_the_grid_too(tmp_path: Path) -> None:
    with pytest.raises(AdaptError, match="No space is left"):
        run(cells(tmp_path, do="fill", where="DANN"), jobs=2)
    assert multiprocessing.active_children() == []
    outcome, _ = run(cells(tmp_path, do="fill", where="nobody"), jobs=2, rerun_changed=True)
    assert set(statuses(outcome).values()) == {"ok"}


@pytest.mark.parametrize("place", ["a-to-b", "a-to-b/DANN", "a-to-b/DANN/0"])
def test_a_file_where_a_folder_should_be_is_named(tmp_path: Path, place: str) -> None:
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / place).touch()
    with pytest.raises(AdaptError, match=f"Expected a folder at {tmp_path / place}, found a file"):
        run(cells(tmp_path))


def test_a_wrapped_error_is_told_by_what_it_hides(tmp_path: Path) -> None:
    outcome, _ = run(cells(tmp_path, do="wrap", where="DANN"))
    assert outcome.failed[0].error == "Expected a domain, found moons_x."


def test_another_word_for_the_target_labels_reaches_finished_cells(tmp_path: Path) -> None:
    plan = cells(tmp_path)
    run(plan)
    own = [replace(cell, setting="ours", written_setting="ours") for cell in plan if cell.method == "DANN"]
    first, second = ([cell for cell in own if cell.seed == seed] for seed in (0, 1))
    for some, others, expected in ((first, second, "ours"), (plan, [], "unsupervised")):
        run(some, others=others)
        assert {r.setting for r in read_results(tmp_path) if r.method == "DANN"} == {expected}
    # What classes say stays: here one may be missing that was there.
    run([replace(cell, setting="target labels") for cell in plan])
    assert {r.setting for r in read_results(tmp_path) if r.method == "DANN"} == {"unsupervised"}
    assert len(trace(tmp_path)) == 4


def test_other_seeds_of_a_changed_plan_are_noticed(tmp_path: Path) -> None:
    run(cells(tmp_path, steps=600))
    plan = cells(tmp_path, seeds=3, steps=800)
    new = [cell for cell in plan if cell.seed == 2]
    with pytest.raises(AdaptError, match=r"SourceOnly / seed 0 \(and 3 more\).*steps: 600 → 800"):
        run(new, others=plan)
    assert len(trace(tmp_path)) == 4
    run(cells(tmp_path, seeds=3, steps=600)[4:], others=cells(tmp_path, seeds=3, steps=600))
    assert len(trace(tmp_path)) == 6
