"""`adapt stream` as a person types it, on digits that scikit-learn brings."""

import copy
import csv
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from adapt.benchmark.plan.plan import read_plan
from adapt.benchmark.results.results import read_results
from adapt.commands.main import main
from adapt.streaming import cell
from adapt.streaming.planned import planned_cells, read_streams
from adapt.streaming.settings import cells_of, checkpoint_rule, method_entries
from adapt.yaml_files import read_yaml

RUN = [
    *("fit", "--config", "tasks/optdigits_photo", "--model", "SourceOnly", "--model.backbone", "SmallCNN"),
    *("--model.backbone.width", "8", "--trainer.max_steps", "30", "--trainer.logger", "false"),
    *("--trainer.enable_progress_bar", "false", "--trainer.accelerator", "cpu", "--run_dir", "run"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("stream")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setenv("WANDB_MODE", "disabled")
        assert main(RUN) == 0
    return place


@pytest.fixture
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folder)
    cell._prepared.cache_clear()
    return folder


def stream(*words: str) -> int:
    return main(["stream", "--run", "run", "--wandb", "disabled", *words])


def test_tables_curve_and_predictions_and_nothing_runs_twice(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--method", "TENT,EATA:lr=0.0005", "--scenario", "continual", "--corruptions", "contrast,gaussian_noise"]
    words += ["--severity", "3", "--samples", "64", "--batch_size", "32", "--out", "out"]
    assert stream(*words) == 0
    said = capsys.readouterr().out
    assert "EATA lr=0.0005" in said
    results = read_results(here / "out")
    assert [r.method for r in results] == ["EATA lr=0.0005", "Source", "TENT"]
    (task,) = {r.task for r in results}
    assert task == "optdigits → optdigits_photo, continual, severity 3, contrast, gaussian_noise"
    own = next(r for r in results if r.method == "TENT")
    rows = list(csv.DictReader((own.directory / "predictions.csv").open(encoding="utf-8")))
    assert len(rows) == 128
    assert rows[0]["shift"] == "optdigits_photo, contrast 3"
    batches = list(csv.DictReader((own.directory / "stream.csv").open(encoding="utf-8")))
    assert own.value("last") == pytest.approx(sum(int(b["right"]) for b in batches) / 128)
    assert "Running accuracy" in (here / "out" / "report.html").read_text(encoding="utf-8")
    assert "adapt stream --config" in (here / "out" / "report.html").read_text(encoding="utf-8")
    assert "gaussian_noise 3" in (here / "out" / "shifts.md").read_text(encoding="utf-8")
    assert list((here / "out" / "pictures").glob("stream-*.png"))
    assert not list((here / "out").rglob("*.ckpt"))
    before = {r.directory: r.started for r in results}
    assert stream(*words) == 0
    assert {r.directory: r.started for r in read_results(here / "out")} == before
    assert stream(*words, "--samples", "32") == 2
    assert "had another configuration" in capsys.readouterr().err


def test_a_cells_own_file_gives_it_again(here: Path) -> None:
    assert stream("--method", "BN1", "--samples", "64", "--out", "first") == 0
    (path,) = (here / "first").glob("*/BN-1/0/cell.yaml")
    assert main(["stream", "--config", str(path), "--out", "again", "--wandb", "disabled"]) == 0
    found = {name: {r.method: r.value("last") for r in read_results(here / name)} for name in ("first", "again")}
    assert found["first"] == found["again"]


def test_a_killed_command_goes_on_in_the_midst_of_a_stream(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["--method", "TENT", "--samples", "160", "--batch_size", "16"]
    assert stream(*words, "--out", "whole") == 0
    plain = cell.run_stream

    def stopping(*args: object, **kwargs: object) -> object:
        def stop(number: int) -> None:
            if number == 5:
                raise KeyboardInterrupt

        return plain(*args, **kwargs, seconds=0.0, after_batch=stop)  # type: ignore[arg-type]

    monkeypatch.setattr(cell, "run_stream", stopping)
    assert stream(*words, "--out", "stopped") == 130
    assert list((here / "stopped" / cell.UNFINISHED).rglob("*.ckpt"))
    seen: list[int] = []
    monkeypatch.setattr(cell, "run_stream", lambda *a, **k: plain(*a, **k, after_batch=seen.append))
    assert stream(*words, "--out", "stopped") == 0
    assert seen[0] == 6
    files = ("stream.csv", "predictions.csv", "shifts.csv")
    for result in read_results(here / "whole"):
        other = here / "stopped" / result.directory.relative_to(here / "whole")
        assert all((result.directory / name).read_bytes() == (other / name).read_bytes() for name in files)
        assert (
            json.loads((result.directory / "result.json").read_text())["rows"]
            == json.loads((other / "result.json").read_text())["rows"]
        )


def test_tables_say_which_checkpoint_was_streamed_through(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert stream("--rule", "oracle", "--method", "BN1", "--samples", "64", "--out", "oracle") == 0
    assert "uses target labels; for reference only" in " ".join(capsys.readouterr().out.split())
    assert {row["rule"] for result in read_results(here / "oracle") for row in result.rows} == {"oracle"}
    named = {"run": "run/checkpoints/source_accuracy.ckpt", "rule": "last"}
    assert checkpoint_rule(named) == "source_accuracy"
    assert checkpoint_rule({"run": "run/checkpoints/mine.ckpt", "rule": "last"}) == "last"


def test_labels_that_a_run_or_its_start_was_trained_with_stay_seen(here: Path, tmp_path: Path) -> None:
    content = read_yaml(here / "run" / "config.yaml")
    for name, data, model in (
        ("few", {"shots": 3}, {}),
        ("after", {}, {"init_from": str(tmp_path / "few" / "checkpoints" / "last.ckpt")}),
    ):
        shutil.copytree(here / "run", tmp_path / name)
        changed = copy.deepcopy(content)
        changed["data"]["init_args"] |= data
        changed["model"]["init_args"] |= model
        (tmp_path / name / "config.yaml").write_text(yaml.safe_dump(changed), encoding="utf-8")
    methods = method_entries(["BN1"])
    found = {
        name: [c.setting for c in cells_of([path], methods, ["single"], None, {}, tmp_path / "out", "out")]
        for name, path in (("run", here / "run"), ("few", tmp_path / "few"), ("after", tmp_path / "after"))
    }
    few = ["few-shot (3 per class)"] * 2
    assert found == {"run": ["source-only", "unsupervised"], "few": few, "after": few}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--method", "TNT"], "Did you mean 'TENT'"),
        (["--method", "TENT:rate=1"], "has no argument 'rate'"),
        (["--method", "TENT:lr"], "TENT:lr=0.0001"),
        (["--method", "TENT:lr=fast"], "Expected a number for lr of TENT, found 'fast'"),
        (["--method", "EATA:margin=much:fisher_samples=many"], "Expected a number for margin of EATA"),
        (["--method", "math.tau"], "extends adapt.streaming.StreamMethod"),
        (["--method", "TENT,TENT"], "twice"),
        (["--scenario", "continual", "--corruptions", "none"], "several shifts"),
        (["--scenario", "daily"], "scenario out of"),
        (["--corruptions", "rain"], "corruptions all, none"),
        (["--corruptions", "fog,none"], "none alone, found it among fog, none"),
        (["--severity", "9", "--corruptions", "fog"], "severity from 1 to 5"),
        (["--domains", "svnh"], "Did you mean 'svhn'"),
        (["--split", "dev"], "split out of"),
        (["--batch_size", "0"], "batch_size of at least 1"),
        (["--run", "nowhere"], "found no such file"),
        (["--run", "run", "run", "--seed", "1"], "one run alone"),
    ],
)
def test_wrong_words_get_a_line_or_two(
    words: list[str], said: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stream(*words, "--out", "wrong") == 2
    text = capsys.readouterr().err
    assert said in text
    assert len(text.strip().splitlines()) <= 2
    assert not (here / "wrong").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("method: [{name: TENT}]", "class_path with init_args"),
        ("samples: many", "Expected a number for --samples"),
        ("methods: [TENT]", "did you mean 'method'"),
        ("- TENT", "as a mapping"),
    ],
)
def test_wrong_files_get_a_line(content: str, said: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "wrong.yaml").write_text(content + "\n", encoding="utf-8")
    assert stream("--config", "wrong.yaml", "--out", "wrong") == 2
    assert said in capsys.readouterr().err
    assert not (here / "wrong").exists()


@pytest.mark.slow  # a grid of eight, each with a run of W&B
def test_seeds_and_scenarios_make_a_grid_and_offline_runs_are_kept(here: Path) -> None:
    words = ["stream", "--run", "run", "--method", "LAME", "--scenario", "single", "correlated", "--samples", "40"]
    words += ["--corruptions", "none", "--seed", "0,1", "--wandb", "offline", "--out", "grid"]
    assert main(words) == 0
    results = read_results(here / "grid")
    assert {(r.task.rpartition(", ")[2], r.method, r.seed) for r in results} == {
        (task, method, seed) for task in ("single", "correlated") for method in ("Source", "LAME") for seed in (0, 1)
    }
    assert len(list((here / "grid").glob("*/*/*/wandb/offline-run-*"))) == 8


PLAN = """
name: small
seeds: [3, 4]
embeddings: false
checkpoints: last
tasks:
  moons: [tasks/moons, {trainer: {max_steps: 2, val_check_interval: 2}}]
methods:
  SourceOnly:
    model: {class_path: SourceOnly, init_args: {bottleneck: 8}}
streams: STREAMS
"""


def planned(place: Path, streams: str) -> list[str]:
    (place / "plan.yaml").write_text(PLAN.replace("STREAMS", streams), encoding="utf-8")
    return ["benchmark", "--config", str(place / "plan.yaml"), "--jobs", "1", "--wandb", "disabled"]


def test_a_benchmark_trains_runs_and_streams_through_each_with_its_own_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "disabled")
    cell._prepared.cache_clear()
    # One seed alone, as a job array has it.
    assert main([*planned(tmp_path, "{method: BN1, samples: 64}"), "--seeds", "4"]) == 0
    said = capsys.readouterr().out
    assert "1 cells" in said and "Streams through the runs of SourceOnly" in said and "2 streams" in said
    out = tmp_path / "runs" / "small"
    assert [(r.method, r.seed) for r in read_results(out)] == [("SourceOnly", 4)]
    streamed = read_results(out / "streams")
    assert {(r.method, r.seed) for r in streamed} == {("Source", 4), ("BN-1", 4)}
    for result in streamed:
        settings = read_yaml(result.directory / "cell.yaml")["stream"]
        assert Path(settings["run"]).resolve() == (out / "moons" / "SourceOnly" / "4").resolve()
    page = (out / "streams" / "report.html").read_text(encoding="utf-8")
    assert "Running accuracy" in page and 'href="../report.html"' in page
    assert 'href="streams/report.html"' in (out / "report.html").read_text(encoding="utf-8")


@pytest.mark.slow  # two grids of two runs and four streams
def test_a_benchmark_with_streams_runs_nothing_twice_and_each_seed_alone_is_that_of_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "disabled")
    words = planned(tmp_path, "{method: TENT, samples: 64}")
    assert main(words) == 0
    out = tmp_path / "runs" / "small"
    whole = read_results(out / "streams")
    before = {r.directory: r.started for r in (*read_results(out), *whole)}
    assert main(words) == 0
    assert {r.directory: r.started for r in (*read_results(out), *read_results(out / "streams"))} == before
    assert main([*words, "--seeds", "4", "--out", "part"]) == 0
    (part,) = (r for r in read_results(tmp_path / "part" / "streams") if r.method == "TENT")
    assert part.value("last") == next(r.value("last") for r in whole if (r.method, r.seed) == ("TENT", 4))
    # A run that has no result is left out, and is no reason to lose the others.
    (out / "moons" / "SourceOnly" / "3" / "result.json").unlink()
    plan = read_plan(tmp_path / "plan.yaml", out)
    streams = read_streams(plan, tmp_path / "plan.yaml")
    assert streams is not None and {c.seed for c in planned_cells(plan, streams)} == {4}


@pytest.mark.parametrize(
    ("streams", "said"),
    [
        ("{method: TNT}", "Did you mean 'TENT'"),
        ("{scenario: daily}", "scenario out of"),
        ("{samples: many}", "Expected a number for --samples"),
        ("{run: SorceOnly}", "did you mean 'SourceOnly'?"),
        ("{seed: 1}", "unknown key 'seed'"),
        ("[TENT]", "expected a mapping"),
    ],
)
def test_a_benchmarks_wrong_streams_are_refused_before_training(
    streams: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(planned(tmp_path, streams)) == 2
    text = capsys.readouterr().err
    assert said in text
    assert len(text.strip().splitlines()) <= 2
    assert not (tmp_path / "runs").exists()


def test_files_of_the_other_command_are_told_apart(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark", "--config", "streams/digits", "--wandb", "disabled"]) == 2
    assert "is a file of `adapt stream`: adapt stream --config" in capsys.readouterr().err
    assert stream("--config", "benchmarks/streams") == 2
    assert "is a file of `adapt benchmark`: adapt benchmark --config" in capsys.readouterr().err


def test_pacs_streams_style_after_style(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ADAPT_DATA", str(tmp_path))
    rng = np.random.default_rng(0)
    for domain in ("photo", "art_painting", "cartoon", "sketch"):
        for k in range(7):
            place = tmp_path / "PACS" / domain / f"class{k}"
            place.mkdir(parents=True)
            for i in range(4):
                Image.fromarray(rng.integers(256, size=(20, 20, 3), dtype=np.uint8)).save(place / f"{i}.png")
    words = ["fit", "--config", "tasks/pacs_photo_art_128", "--config", "methods/source_only", "--run_dir", "run"]
    words += ["--data.image_size", "16", "--data.batch_size", "4", "--model.backbone", "SmallCNN"]
    words += ["--model.bottleneck", "8", "--trainer.max_steps", "1", "--trainer.val_check_interval", "1"]
    words += ["--trainer.logger", "false", "--trainer.enable_progress_bar", "false"]
    assert main(words) == 0
    assert stream("--config", "streams/pacs", "--method", "BN1", "--out", "out") == 0
    results = read_results(tmp_path / "out")
    (task,) = {r.task for r in results}
    assert task == "photo → art_painting+cartoon+sketch, continual"
    for result in results:
        rows = list(csv.DictReader((result.directory / "predictions.csv").open(encoding="utf-8")))
        assert list(dict.fromkeys(row["shift"] for row in rows)) == ["art_painting", "cartoon", "sketch"]
        assert len(rows) == 3 * 22  # four fifths of 28
    # A camera's pictures come in the order of their numbers, though "frame10" is before "frame2" in the alphabet.
    (tmp_path / "camera").mkdir()
    for i in range(1, 12):
        shutil.copy(tmp_path / "PACS" / "sketch" / "class0" / "0.png", tmp_path / "camera" / f"frame{i}.png")
    assert stream("--input", "camera", "--method", "BN1", "--out", "filmed") == 0
    rows = list(
        csv.DictReader((read_results(tmp_path / "filmed")[0].directory / "predictions.csv").open(encoding="utf-8"))
    )
    assert [Path(row["sample"]).stem for row in rows] == [f"frame{i}" for i in range(1, 12)]


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on files of vectors."""
    place = tmp_path_factory.mktemp("vectors")
    rng = np.random.default_rng(0)
    (place / "arrays").mkdir()
    for name in ("a", "b"):
        y = np.arange(40) % 2
        np.savez(place / "arrays" / f"{name}.npz", x=y[:, None] + rng.normal(size=(40, 3)), y=y)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setenv("WANDB_MODE", "disabled")
        words = ["fit", "--data", "Arrays", "--data.folder", "arrays", "--data.root", ".", "--data.source", "a"]
        words += ["--data.target", "b", "--data.batch_size", "8", "--model", "SourceOnly", "--model.backbone", "MLP"]
        words += ["--model.bottleneck", "8", "--trainer.max_steps", "2", "--trainer.logger", "false"]
        assert main([*words, "--trainer.enable_progress_bar", "false", "--run_dir", "run"]) == 0
    return place


def test_samples_that_are_not_finite_are_named_before_the_first_stream(
    vectors: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(vectors)
    found = dict(np.load("arrays/b.npz"))
    found["x"][[3, 7], 1] = np.nan
    np.savez("arrays/c.npz", **found)
    assert stream("--domains", "c", "--split", "train", "--out", "wrong") == 2
    assert "samples of 'c', the first at position" in capsys.readouterr().err
    assert not Path("wrong").exists()


@pytest.mark.parametrize("scenario", ["correlated", "gradual"])
def test_corruptions_of_what_are_no_images_are_refused_before_the_first_stream(
    scenario: str, vectors: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(vectors)
    assert stream("--scenario", scenario, "--out", "wrong") == 2
    assert "--corruptions none" in capsys.readouterr().err
    assert not Path("wrong").exists()
    if scenario == "correlated":
        assert stream("--scenario", scenario, "--corruptions", "none", "--method", "BN1", "--out", "right") == 0


def test_an_own_method_that_raises_is_told_in_a_line(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    Path("raising_.py").write_text(
        "from adapt.streaming import StreamMethod\n"
        "class Words(StreamMethod):\n    def step(self, x):\n        raise ValueError('the third\\nbatch has none')\n"
        "class Silent(StreamMethod):\n    def step(self, x):\n        assert False\n"
    )
    Path("raised_.py").write_text("1 / 0\n")
    command = ["stream", "--run", "run", "--out", "raised", "--method", "raising_.Words,raising_.Silent"]
    assert main(command) == 1
    said = capsys.readouterr().out
    assert "Words / seed 0: ValueError: the third batch has none (in raising_.py, line 4)\n" in said
    assert "Silent / seed 0: AssertionError (in raising_.py, line 7)\n" in said
    assert main(["stream", "--run", "run", "--out", "no", "--method", "raised_.Any"]) == 2
    assert (
        "could not import it: ZeroDivisionError: division by zero (in raised_.py, line 1)." in capsys.readouterr().err
    )
