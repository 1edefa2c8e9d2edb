"""`adapt predict --input`: new files, without the training data, and what is refused."""

import csv
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from lightning.pytorch import Trainer
from PIL import Image

import adapt
from adapt.commands.main import main
from adapt.data import Arrays, ImageFolders
from adapt.errors import AdaptError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4)).astype("float32")
Y = np.arange(60) % 2


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vectors")
    (folder / "d").mkdir()
    np.savez(folder / "d/a.npz", x=5 * X + 2 * Y[:, None], y=np.array(["no", "yes"])[Y])
    np.savez(folder / "d/b.npz", x=7 * X)
    np.savez(folder / "new.npz", x=3 * X[:9])
    data = Arrays("a", "b", root=str(folder / "d"), batch_size=16, standardise="domains")
    adapt.fit("CORAL", data, max_steps=10, device="cpu", run_dir=folder / "run")
    (folder / "d").rename(folder / "gone")
    return folder


def test_arrays_are_labelled_without_the_training_data(vectors: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = vectors / "out" / "p.csv"
    args = ["predict", "--config", str(vectors / "run/config.yaml"), "--input", str(vectors / "new.npz")]
    assert main([*args, "--output", str(out)]) == 0
    assert "9 samples" in capsys.readouterr().out
    rows = rows_of(out)
    assert [row["sample"] for row in rows] == [str(k) for k in range(9)]
    assert all(row["class"] == ("no", "yes")[int(row["prediction"])] for row in rows)
    model = adapt.load(vectors / "run", device="cpu")
    for inputs in (vectors / "new.npz", 3 * X[:9], 3.0 * X[:9].astype("float64")):
        found = model.predict_proba(inputs)
        np.testing.assert_allclose(found[:, 1], [float(row["p_yes"]) for row in rows], atol=1e-6)
    assert main([*args, "--output", str(out)]) == 0
    assert "the predictions that were there before" in capsys.readouterr().out
    assert len(list(out.parent.iterdir())) == 2


def test_predictions_take_the_place_of_predictions_alone(
    vectors: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, rows = str(vectors / "run/config.yaml"), "f0,f1,f2,f3\n1,2,3,4\n5,6,7,8\n"
    table, other, link = tmp_path / "new.csv", tmp_path / "other.csv", tmp_path / "link.csv"
    table.write_text(rows)
    other.write_text("plan,cost\n1,2\n")
    link.symlink_to(table)
    for output, words in (
        (table, "which the command reads"),
        (link, "which the command reads"),
        (other, "no table of predictions"),
    ):
        assert main(["predict", "--config", config, "--input", str(table), "--output", str(output)]) == 2
        assert words in capsys.readouterr().err
    assert main(["predict", "--config", config, "--input", str(table), "--output", "/dev/stdout"]) == 2
    assert "the device" in capsys.readouterr().err
    assert table.read_text() == rows and len(list(tmp_path.iterdir())) == 3
    (tmp_path / "empty.csv").touch()
    assert main(["predict", "--config", config, "--input", str(table), "--output", str(tmp_path / "empty.csv")]) == 0
    if (memory := Path("/dev/shm")).is_dir():  # ordinary files, though below /dev
        with tempfile.TemporaryDirectory(dir=memory) as folder:
            out = Path(folder) / "p.csv"
            assert main(["predict", "--config", config, "--input", str(table), "--output", str(out)]) == 0
            assert out.is_file()


def test_wrong_input_gets_two_lines_at_most(vectors: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez(tmp_path / "wide.npz", x=np.zeros((3, 7)))
    (tmp_path / "text.npz").write_text("no arrays")
    os.mkfifo(tmp_path / "pipe.npz")
    np.savez(tmp_path / "gap.npz", x=np.where(np.arange(12).reshape(3, 4) == 9, np.nan, 0))
    config = str(vectors / "run/config.yaml")
    cases = [
        ([config, tmp_path / "wide.npz", tmp_path / "p.csv"], "shape"),
        ([config, tmp_path / "text.npz", tmp_path / "p.csv"], "text.npz"),
        ([config, tmp_path / "none.npz", tmp_path / "p.csv"], "none.npz"),
        ([config, tmp_path / "pipe.npz", tmp_path / "p.csv"], "pipe.npz"),
        ([config, tmp_path / "gap.npz", tmp_path / "p.csv"], "in 1 samples of a batch of 3, the first at position 2"),
        ([config, vectors / "new.npz", tmp_path], "the folder"),
        ([config, vectors / "new.npz", tmp_path / "p.parquet"], "Name it p.csv"),
        ([config, vectors / "new.npz", tmp_path / "p.csv.gz"], "Name it p.csv"),
        ([vectors / "nothing/config.yaml", vectors / "new.npz", tmp_path / "p.csv"], "no such file"),
        ([vectors / "run", vectors / "new.npz", tmp_path / "p.csv"], "config.yaml"),
    ]
    for (where, inputs, output), words in cases:
        assert main(["predict", "--config", str(where), "--input", str(inputs), "--output", str(output)]) == 2
        said = capsys.readouterr().err
        assert words in said and len(said.strip().splitlines()) <= 2, said
    assert main(["predict", "--config", config, "--input", str(vectors / "new.npz")]) == 2
    assert "--output" in capsys.readouterr().err
    assert main(["predict", "--config", config, "--output", str(tmp_path / "p.csv")]) == 2
    assert "Expected --input beside --output" in capsys.readouterr().err
    assert not list(tmp_path.glob("p.*"))


def test_a_missing_value_in_what_is_evaluated_is_named_and_never_a_class(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    split = np.where(np.arange(60) % 3 == 0, "test", "train")
    np.savez(tmp_path / "d/a.npz", x=X, y=Y)
    np.savez(tmp_path / "d/b.npz", x=np.where((np.arange(60) == 33)[:, None], np.nan, X), y=Y, split=split)
    data = Arrays("a", "b", root=str(tmp_path / "d"), batch_size=16)
    model = adapt.fit("CORAL", data, max_steps=2, device="cpu")
    trainer = Trainer(logger=False, accelerator="cpu", enable_progress_bar=False)
    with pytest.raises(AdaptError, match="in 1 target test samples of a batch of 20, the first at position 11"):
        trainer.test(model.method, datamodule=data, verbose=False)


def test_a_folder_of_images_is_read_as_image_folders_read_theirs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def picture(path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(RNG.integers(0, 255, (20, 24, 3), dtype=np.uint8)).save(path)

    for i in range(8):
        picture(tmp_path / "d/a/one" / f"{i}.png")
        picture(tmp_path / "d/a/two" / f"{i}.png")
        picture(tmp_path / "d/b" / f"{i}.png")
    data = ImageFolders("a", "b", root=str(tmp_path / "d"), image_size=16, batch_size=4)
    adapt.fit("CORAL", data, backbone="SmallCNN", max_steps=3, device="cpu", run_dir=tmp_path / "run")
    for name in ("x.png", "deep/y.jpg"):
        picture(tmp_path / "new" / name)
    (tmp_path / "new/.hidden.png").write_bytes(b"x")
    os.mkfifo(tmp_path / "new/pipe.png")
    args = ["predict", "--config", str(tmp_path / "run/config.yaml"), "--input", str(tmp_path / "new")]
    with pytest.warns(UserWarning, match=r"pipe\.png"):
        assert main([*args, "--output", str(tmp_path / "p.csv")]) == 0
    assert sorted(row["sample"] for row in rows_of(tmp_path / "p.csv")) == ["new/deep/y.jpg", "new/x.png"]
    (tmp_path / "new/broken.png").write_bytes(b"no picture")
    with pytest.warns(UserWarning, match=r"pipe\.png"):
        assert main([*args, "--output", str(tmp_path / "q.csv")]) == 2
    assert "broken.png" in capsys.readouterr().err
    assert not (tmp_path / "q.csv").exists()


def test_numbers_are_predicted_too(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    np.savez(tmp_path / "d/a.npz", x=X, y=X[:, 0] * 3 + 50)
    np.savez(tmp_path / "d/b.npz", x=X + 1)
    data = Arrays("a", "b", root=str(tmp_path / "d"), batch_size=16, labels="numbers")
    adapt.fit("CORAL", data, max_steps=10, device="cpu", run_dir=tmp_path / "run")
    args = ["--input", str(tmp_path / "d/b.npz"), "--output", str(tmp_path / "p.csv")]
    assert main(["predict", "--config", str(tmp_path / "run/config.yaml"), *args]) == 0
    rows = rows_of(tmp_path / "p.csv")
    assert len(rows) == 60
    found = adapt.load(tmp_path / "run", device="cpu").predict(X + 1)
    assert found.shape == (60,)
    np.testing.assert_allclose(found, [float(row["y"]) for row in rows], atol=1e-4)
