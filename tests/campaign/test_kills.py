"""Grids that are killed at random moments: nothing is lost, nothing runs twice, and the numbers are the same."""

import json
import os
import random
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.campaign.common import SEED, scaled

KILLS = 12
EARLY = 0.25
MLP = {"class_path": "MLP", "init_args": {"hidden": [8]}}
BASE = {
    "data": {"class_path": "Moons", "init_args": {"source": "moons", "target": "moons_35"}},
    "trainer": {"max_steps": 20, "max_epochs": -1, "val_check_interval": 10, "check_val_every_n_epoch": None},
}
RATE = "model.init_args.optimizer.init_args.lr"
OPTIMIZER = {"class_path": "torch.optim.Adam", "init_args": {"lr": 0.01}}


def method(name: str) -> dict[str, Any]:
    return {"model": {"class_path": name, "init_args": {"backbone": MLP, "optimizer": OPTIMIZER}}}


def plan(seeds: int, search: bool) -> dict[str, Any]:
    methods: dict[str, Any] = {name: method(name) for name in ("SourceOnly", "DANN")}
    content: dict[str, Any] = {"name": "killed", "seeds": list(range(seeds)), "embeddings": False, "base": BASE}
    if search:
        content["search"] = {"trials": 2, "seed": 1000, "space": {RATE: {"low": 0.001, "high": 0.1, "log": True}}}
    else:
        bottleneck = {"model": {"init_args": {"bottleneck": 8}}}
        methods["Wide"] = [method("SourceOnly"), bottleneck]
        methods["TENT"] = {"config": [method("TENT"), bottleneck], "init_from": "Wide"}
    return content | {"tasks": {"moons": {}}, "methods": methods}


def results(out: Path) -> dict[str, str]:
    """Every result that is there, by its place; a truncated one is a lost one."""
    return {str(path.relative_to(out)): path.read_text() for path in out.rglob("result.json")}


def rows(found: dict[str, str]) -> dict[str, Any]:
    return {place: (json.loads(text)["status"], json.loads(text)["rows"]) for place, text in found.items()}


def _wait(process: Any, out: Path, known: int, seconds: float, draw: random.Random) -> None:
    """Until a random moment: now and then while it starts, else some time after its first new result."""
    if draw.random() < EARLY:
        time.sleep(draw.uniform(0, 8))
        return
    while process.poll() is None and len(list(out.rglob("result.json"))) <= known:
        time.sleep(0.05)
    time.sleep(draw.uniform(0, 2 * seconds))


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("jobs", "seeds", "search"),
    [(1, 4, False), (2, 4, False), (1, 2, True)],
    ids=["sequential", "two workers", "search"],
)
def test_a_killed_grid_loses_nothing_and_runs_nothing_twice(
    jobs: int, seeds: int, search: bool, tmp_path: Path, count: Callable[[str, int], None]
) -> None:
    path, out = tmp_path / "plan.yaml", tmp_path / "killed"
    piped: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "start_new_session": True}
    path.write_text(yaml.safe_dump(plan(seeds, search), sort_keys=False))
    words = [sys.executable, "-m", "adapt", "benchmark", "--config", str(path), "--jobs", str(jobs), "--out"]
    began = time.monotonic()
    subprocess.run([*words, str(tmp_path / "whole")], check=True, capture_output=True, timeout=1200)
    whole = results(tmp_path / "whole")
    seconds = (time.monotonic() - began) / len(whole)

    draw, seen = random.Random(SEED + jobs + 10 * search), dict[str, str]()
    kills = lost = twice = 0
    ended = False
    while not ended:
        process = subprocess.Popen([*words, str(out)], **piped)
        if kills < scaled(KILLS):
            _wait(process, out, len(seen), seconds, draw)
        ended = kills >= scaled(KILLS) or process.poll() is not None
        if ended:
            printed, _ = process.communicate(timeout=1200)
            assert process.returncode == 0, f"{shlex.join(words)} {out}\n{printed.decode()}"
        else:
            # The main process alone, whose workers then have to end by themselves, or all at once.
            os.kill(process.pid, signal.SIGKILL) if draw.random() < 0.5 else os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            kills += 1
        now = results(out) if out.exists() else {}
        lost += len(seen.keys() - now.keys())
        twice += sum(now[place] != text for place, text in seen.items() if place in now)
        seen = now
    for name, number in (("kills", kills), ("lost", lost), ("run twice", twice)):
        count(name, number)
    assert (lost, twice) == (0, 0)
    assert rows(seen) == rows(whole)
    assert {status for status, _ in rows(seen).values()} == {"ok"}
