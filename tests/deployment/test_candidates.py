"""Runs of other settings, copies, other data and moved folders: each is judged as what it is."""

import shutil
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

import adapt
from adapt.benchmark.plan.seen import target_labels_of
from adapt.data import Arrays
from adapt.deployment import candidates
from adapt.deployment.candidates import Run, datamodules, find_runs, judge, reads_all_labels, told_apart
from adapt.errors import AdaptError
from adapt.selection import SCORES
from adapt.training.model import read_config


def fit(root: Path, name: str, method: str = "DANN", seed: int = 0, **options: Any) -> Path:
    if not (root / "data").exists():
        (root / "data").mkdir()
        draw, y = np.random.default_rng(0), np.arange(90) % 3
        for domain in "ab":
            x = 3 * np.eye(3)[y] * [0.1, 1, 4] + draw.normal(size=(90, 3)) + (domain == "b") + 4
            np.savez(root / "data" / f"{domain}.npz", x=x, y=y)
    data = Arrays("a", "b", root=str(root / "data"), batch_size=8, **options)
    adapt.fit(method, data, max_steps=4, seed=seed, device="cpu", run_dir=root / "runs" / name)
    return root / "runs" / name


def values(folders: list[Path]) -> dict[str, float]:
    runs = find_runs(folders)
    found = judge(runs, "last", datamodules(runs)[0], "cpu")
    return {candidate.run.folder.name: candidate.scores["information_maximisation"] for candidate in found}


def test_each_run_is_judged_through_its_own_preprocessing_in_any_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidates, "SCORES", {"information_maximisation": SCORES["information_maximisation"]})
    monkeypatch.setattr(candidates, "estimate", lambda samples: {})
    plain, scaled = fit(tmp_path, "plain"), fit(tmp_path, "scaled", standardise="source")
    both = values([plain, scaled])
    assert both == values([scaled, plain]) == values([plain]) | values([scaled])


def run(name: str, seed: int = 0, lr: float = 0.1, method: str = "DANN", **data: Any) -> Run:
    config = {
        "model": {"class_path": method, "init_args": {"lr": lr, "init_from": name}},
        "data": {"class_path": "Arrays", "init_args": data},
    }
    return Run(Path("runs") / name, "a-b", method, "", seed, config)


def test_labels_that_a_start_saw_stay_seen(tmp_path: Path) -> None:
    content = run("one").config
    for name, method in (("bound", "TargetOnly"), ("after", "DANN"), ("chosen", "DANN")):
        model = {"class_path": method, "init_args": {}}
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.yaml").write_text(yaml.safe_dump(content | {"model": model}))
    started = {"class_path": "DANN", "init_args": {"init_from": str(tmp_path / "bound" / "last.ckpt")}}
    assert reads_all_labels(Run(tmp_path / "after", "a-b", "DANN", "", 0, content | {"model": started}))
    # The folder of a choice has no start any more.
    assert target_labels_of(content, tmp_path / "chosen") == ""
    (tmp_path / "chosen" / "choice.json").write_text('{"target_labels": "few-shot (3 per class)"}')
    assert target_labels_of(content, tmp_path / "chosen") == "few-shot (3 per class)"


def test_seeds_are_of_one_setting_and_a_copy_is_no_seed() -> None:
    same = [run("one"), run("two", 1), run("copy", 1)]
    found, said = told_apart(same)
    assert [each.method for each in found] == ["DANN", "DANN"]
    assert said == ["copy has the settings and the seed of two, and was left out as its copy."]
    other = [
        *same[:2],
        run("three", 0, 0.01),
        run("four", 1, 0.01),
        run("five", num_workers=2),
        run("mmd", method="MMD"),
    ]
    found, said = told_apart(other)
    assert [each.method for each in found] == ["DANN (one)", "DANN (one)", "DANN (three)", "DANN (three)", "MMD"]
    assert len(said) == 1 and said[0].startswith("five has the settings")


def test_runs_from_python_that_differ_in_what_no_configuration_says_are_no_copies(tmp_path: Path) -> None:
    def trained(name: str, seed: int = 0, lr: float = 0.1, steps: int = 4, **trainer: Any) -> None:
        data = Arrays("a", "b", root=str(tmp_path / "data"), batch_size=8)
        trainer |= {"max_steps": steps, "limit_val_batches": 0}
        options: dict[str, Any] = {"seed": seed, "device": "cpu", "trainer": trainer}
        adapt.fit("DANN", data, run_dir=tmp_path / "runs" / name, optimizer=partial(torch.optim.SGD, lr=lr), **options)

    fit(tmp_path, "first")  # which writes the data, too
    shutil.rmtree(tmp_path / "runs")
    trained("one")
    trained("longer", steps=5)
    shutil.copytree(tmp_path / "runs" / "one", tmp_path / "runs" / "copy")
    found, said = told_apart(find_runs([tmp_path / "runs"]))
    assert {run.method for run in found} == {"DANN (copy)", "DANN (longer)"}
    assert said == ["one has the settings and the seed of copy, and was left out as its copy."]
    assert read_config(tmp_path / "runs" / "longer" / "config.yaml")["trainer"]["max_steps"] == 5
    # An optimizer is a function, and not recorded: nobody knows whose the other seed is.
    trained("faster", lr=0.5)
    trained("another", seed=1)
    shutil.rmtree(tmp_path / "runs" / "copy")
    found, said = told_apart(find_runs([tmp_path / "runs"]))
    assert {run.method for run in found} == {f"DANN ({name})" for name in ("one", "longer", "faster", "another")}
    assert len(said) == 1 and said[0].startswith("faster, one have the same settings in config.yaml and the same seed")


def test_runs_that_held_out_other_samples_are_not_compared(tmp_path: Path) -> None:
    folders = [fit(tmp_path, "one"), fit(tmp_path, "two", split_seed=5)]
    with pytest.raises(AdaptError, match="tested on the same samples, found others in one and two"):
        datamodules(find_runs(folders))


def test_data_that_were_moved_with_a_run_are_found_beside_it(tmp_path: Path) -> None:
    folder = fit(tmp_path / "first", "one") if (tmp_path / "first").mkdir() is None else tmp_path
    shutil.copytree(tmp_path / "first", tmp_path / "second")
    # The data of the old place are others by now.
    np.savez(tmp_path / "first" / "data" / "b.npz", x=np.zeros((9, 3)), y=np.arange(9) % 3)
    moved = tmp_path / "second" / "runs" / folder.name
    assert read_config(moved / "config.yaml")["data"]["init_args"]["root"] == str(tmp_path / "second" / "data")
    runs = find_runs([moved])
    assert len(datamodules(runs)[0][moved].domain_samples("b", "test")) == 18  # type: ignore[arg-type]
    assert yaml.safe_load((moved / "config.yaml").read_text())["saved_in"] == str(folder)
