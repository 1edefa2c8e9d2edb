"""`adapt rank` on files of features, as a user has them."""

import csv
from pathlib import Path

import numpy as np
import pytest

from adapt.cli import main

Y = np.arange(90) % 3


def write(folder: Path, features: np.ndarray, **arrays: np.ndarray) -> None:
    folder.mkdir(parents=True)
    files = np.array([f"cat/{i}.png" for i in range(len(features))])
    np.savez(folder / "photo.npz", **({"features": features, "labels": Y, "files": files} | arrays))  # type: ignore[arg-type]


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    write(Path("noise"), rng.normal(size=(90, 5)))
    write(Path("telling"), np.eye(3)[Y] + 0.2 * rng.normal(size=(90, 3)), logits=4 * np.eye(4)[Y])
    return tmp_path


def test_the_network_that_tells_the_classes_comes_first(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rank", "noise", "telling", "--source", "photo", "--out", "rank.csv"]) == 0
    assert "telling first" in capsys.readouterr().out
    rows = list(csv.DictReader(Path("rank.csv").read_text().splitlines()))
    assert [row["features"] for row in rows] == ["telling", "noise"]
    assert float(rows[0]["leep"]) <= 0 and rows[1]["leep"] == ""
    assert all(float(rows[0][key]) > float(rows[1][key]) for key in ("log_me", "h_score", "trans_rate"))


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["noise", "--source", "sketch"], "found photo there"),
        (["nowhere", "--source", "photo"], "found no .npz files there"),
        (["noise", "--source", "photo", "--by", "logme"], "Expected --by out of log_me"),
        (["noise", "--source", "photo", "--by", "leep"], "noise has none"),
        (["noise", "fewer", "--source", "photo"], "found 90 and 60"),
        (["unlabelled", "--source", "photo"], "The source needs labels"),
    ],
)
def test_what_cannot_be_ranked_is_refused(
    folders: Path, capsys: pytest.CaptureFixture[str], argv: list[str], said: str
) -> None:
    write(Path("fewer"), np.ones((60, 5)), labels=Y[:60])
    Path("unlabelled").mkdir()
    np.savez(Path("unlabelled") / "photo.npz", x=np.ones((9, 2)))
    assert main(["rank", *argv]) == 2
    assert said in capsys.readouterr().err


def test_scores_take_the_place_of_scores_alone(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    features = Path("noise/photo.npz").read_bytes()
    assert main(["rank", "noise", "--source", "photo", "--out", "noise/photo.npz"]) == 2
    assert "a file that is no table of scores" in capsys.readouterr().err
    assert Path("noise/photo.npz").read_bytes() == features
    for _ in range(2):
        assert main(["rank", "noise", "--source", "photo", "--out", "scores.csv"]) == 0


@pytest.mark.parametrize("mark", [np.nan, -1, ""])
def test_samples_without_a_label_are_no_class(
    folders: Path, capsys: pytest.CaptureFixture[str], mark: float | str
) -> None:
    given = dict(np.load("telling/photo.npz"))
    known = np.arange(90) % 5 != 0
    write(Path("whole"), given["features"][known], labels=Y[known], logits=given["logits"][known], files=Y[known])
    y = np.array(["a", "b", "c"])[Y] if mark == "" else Y.astype(float if mark != mark else int)
    y[~known] = mark
    write(Path("marked"), given["features"], labels=y, logits=given["logits"])
    for name in ("whole", "marked"):
        assert main(["rank", name, "--source", "photo", "--out", f"{name}.csv"]) == 0
    assert "on 72 labelled samples" in (said := " ".join(capsys.readouterr().out.split()))
    assert "18 samples without a label are left out" in said
    rows = [Path(f"{name}.csv").read_text().replace(name, "").splitlines()[1] for name in ("whole", "marked")]
    assert rows[0] == rows[1]


def test_minus_one_beside_one_is_a_class_and_numbers_are_none(
    folders: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    features = np.load("telling/photo.npz")["features"]
    write(Path("signs"), features, labels=2 * (Y > 0) - 1)
    assert main(["rank", "signs", "--source", "photo"]) == 0
    assert "on 90 labelled samples" in " ".join(capsys.readouterr().out.split())
    write(Path("numbers"), features, labels=Y + 0.5)
    assert main(["rank", "numbers", "--source", "photo"]) == 2
    assert "found numbers such as 0.5" in capsys.readouterr().err


def test_a_dead_network_comes_last_and_ends_nothing(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(Path("ones"), np.full((90, 4), 0.3))
    write(Path("zeros"), np.zeros((90, 4)))
    for by in ("log_me", "h_score", "trans_rate"):
        words = ["rank", "zeros", "ones", "noise", "telling", "--source", "photo", "--by", by, "--out", "rank.csv"]
        assert main(words) == 0
        rows = list(csv.DictReader(Path("rank.csv").read_text().splitlines()))
        assert [row["features"] for row in rows][:1] == ["telling"]
        assert all(np.isfinite(float(row[key])) for row in rows for key in ("log_me", "h_score", "trans_rate"))
