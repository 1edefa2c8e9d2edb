import csv
import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

import adapt
from adapt.benchmark.results.results import (
    CSV_COLUMNS,
    check_rows,
    git_commit,
    portable,
    read_result,
    read_results,
    versions,
    write_atomically,
    write_csv,
    write_result,
)
from adapt.errors import AdaptError
from tests.benchmark.synthetic import result, rows


def test_a_result_reads_back_as_it_was_written(tmp_path: Path) -> None:
    written = result("a → b", "DANN", 3, 0.75, tmp_path / "a-to-b" / "DANN" / "3")
    write_result(written)
    assert read_results(tmp_path) == [written]
    assert read_results(tmp_path)[0].directory == written.directory
    assert read_results(tmp_path)[0].value("oracle") == 0.76


def test_an_interrupted_write_keeps_the_old_content_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "result.json"
    write_atomically(path, "old")

    def crash(self: Path, target: Path) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", crash)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, "new")
    assert [p.name for p in tmp_path.iterdir()] == ["result.json"]
    assert path.read_text() == "old"


@pytest.mark.parametrize(
    "damage",
    [lambda t: t[: len(t) // 2], lambda t: "", lambda t: "[]", lambda t: "[" * 10**5, lambda t: '{"status": "ok"}'],
)
def test_a_damaged_result_says_to_delete_it(tmp_path: Path, damage: object) -> None:
    directory = tmp_path / "t" / "m" / "0"
    write_result(result("t", "m", 0, 0.5, directory))
    path = directory / "result.json"
    path.write_text(damage(path.read_text()))  # type: ignore[operator]
    with pytest.raises(AdaptError, match=r"result\.json is truncated.*Delete it"):
        read_results(tmp_path)


def test_an_unknown_status_is_no_result(tmp_path: Path) -> None:
    write_result(result("t", "m", 0, None, tmp_path))
    path = tmp_path / "result.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"status": "fine"}))
    with pytest.raises(AdaptError, match="unknown status"):
        read_result(path)


def test_a_folder_without_results_says_where_they_would_lie(tmp_path: Path) -> None:
    with pytest.raises(AdaptError, match="no such file in it"):
        read_results(tmp_path)
    with pytest.raises(AdaptError, match="no such folder"):
        read_results(tmp_path / "nowhere")


def test_the_csv_has_a_line_per_rule_and_one_for_a_failure(tmp_path: Path) -> None:
    write_csv([result("a → b", "DANN", 0, 0.7), result("a → b", "MMD", 0, None)], tmp_path / "results.csv")
    with (tmp_path / "results.csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert tuple(lines[0]) == CSV_COLUMNS
    assert [(r["method"], r["rule"], r["target_accuracy"], r["status"]) for r in lines] == [
        ("DANN", "last", "0.7", "ok"),
        ("DANN", "source_accuracy", str(0.7 - 0.01), "ok"),
        ("DANN", "oracle", str(0.7 + 0.01), "ok"),
        ("MMD", "last", "", "failed"),
    ]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ([], "at least one result row"),
        (None, "at least one result row"),
        ([{**rows(0.5)[0], "target_accuracy": 50.0}], r"in \[0, 1\] under rule 'last', found 50.0"),
        ([{**rows(0.5)[0], "target_accuracy": float("nan")}], "found nan"),
        ([rows(0.5)[0]] * 2, "each selection rule once"),
    ],
)
def test_rows_that_are_no_accuracies_are_refused(bad: object, message: str) -> None:
    with pytest.raises(AdaptError, match=message):
        check_rows(bad)


def test_the_commit_is_gits_and_the_versions_are_all_there() -> None:
    folder = Path(adapt.__file__).parent
    head = subprocess.run(["git", "-C", str(folder), "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    if head.returncode == 0:
        assert (git_commit() or "").removesuffix("+dirty") == head.stdout.strip()
    assert set(versions()) == {"python", "adapt", "torch", "lightning", "torchvision", "numpy"}


def test_a_result_names_no_path_of_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    directory = tmp_path / "grid" / "t" / "m" / "0"
    error = f"Expected a file at {directory}/last.ckpt, found none; see /usr/lib/x.py:3 and https://a.org/b/c."
    command = f"adapt benchmark --config {tmp_path}/b.yaml --out=/scratch/me/grid --jobs 2"
    write_result(replace(result("t", "m", 0, None, directory, error), command=command))
    content = json.loads((directory / "result.json").read_text())
    assert content["error"] == "Expected a file at t/m/0/last.ckpt, found none; see …/x.py:3 and https://a.org/b/c."
    assert content["command"] == "adapt benchmark --config b.yaml --out=…/grid --jobs 2"
    assert str(tmp_path) not in (directory / "result.json").read_text()


@pytest.mark.parametrize("text", ["1/2 and/or ../a/b ./c/d ~/e/f", "optdigits/photo", "a // b", "m / s", "", "/tmp"])
def test_what_is_no_absolute_path_stays(text: str) -> None:
    assert portable(text, []) == text
