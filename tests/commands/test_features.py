"""`adapt features` as its user types it, with a small backbone on generated images."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import adapt.commands.features
from adapt.backbones import SmallCNN
from adapt.cli import main
from adapt.commands.features import extract_features
from adapt.data import Features
from adapt.data.features import read_features
from tests.data.files import write_features, write_images

OPTIONS = ["--dataset", "PACS", "--image_size", "32", "--batch_size", "4", "--backbone", "SmallCNN"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for k, name in enumerate(("photo", "sketch")):
        write_images(tmp_path / "PACS" / name, ["bike", "mug"], 3 + k, side=40)
    return tmp_path


def command(root: Path, *more: str) -> list[str]:
    return ["features", *OPTIONS, "--root", str(root), "--out", str(root / "out"), *more]


def test_files_hold_what_the_backbone_says_of_every_image(root: Path) -> None:
    backbone = SmallCNN((3, 32, 32)).train()
    paths = extract_features(backbone, str(root / "out"), "PACS", str(root), image_size=32, resize=36, batch_size=3)
    assert paths == [root / "out" / "photo.npz", root / "out" / "sketch.npz"]
    found = read_features(paths[1])
    assert found.features.dtype == np.float32 and found.features.shape == (8, backbone.num_features)
    assert found.labels.tolist() == [0] * 4 + [1] * 4
    assert found.class_names.tolist() == ["bike", "mug"]
    assert found.files.tolist()[5] == "mug/1.png"
    with Image.open(root / "PACS" / "sketch" / "mug" / "1.png") as image:
        # 46 × 40 pixels of one colour: whatever is cut out of them is that colour.
        colour = torch.tensor(image.getpixel((0, 0))).float()
    x = (colour / 255 - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor([0.229, 0.224, 0.225])
    with torch.no_grad():
        expected = backbone.eval()(x[None, :, None, None].expand(1, 3, 32, 32))
    np.testing.assert_allclose(found.features[5], expected[0].numpy(), rtol=1e-4, atol=1e-5)


def test_the_command_writes_files_that_the_datamodule_trains_on(root: Path) -> None:
    assert main(command(root)) == 0
    data = Features("photo", "sketch", root=str(root / "out"), batch_size=2)
    assert (data.input_shape[0] > 1, data.num_classes) == (True, 2)
    task = ["--data", "Features", "--data.source", "photo", "--data.target", "sketch", "--data.root", str(root / "out")]
    more = ["--data.batch_size", "2", "--model", "SourceOnly", "--model.backbone", "Identity"]
    limits = ["--trainer.max_epochs", "1", "--trainer.logger", "false", "--trainer.enable_progress_bar", "false"]
    assert main(["fit", *task, *more, *limits, "--run_dir", str(root / "run")]) == 0
    # Identity has no argument but those that the data give.
    assert main(["test", "--config", str(root / "run" / "config.yaml")]) == 0


def test_a_second_run_keeps_what_is_there_and_other_settings_are_refused(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(root)) == 0
    before = (root / "out" / "photo.npz").stat().st_mtime_ns
    (root / "out" / "sketch.npz").unlink()
    capsys.readouterr()
    assert main(command(root)) == 0
    assert capsys.readouterr().out.splitlines()[0].endswith("photo.npz: kept")
    assert (root / "out" / "photo.npz").stat().st_mtime_ns == before
    assert (root / "out" / "sketch.npz").exists()
    for more, found in ((["--resize", "40"], "resize 37"), (["--backbone.width", "8"], "weights")):
        assert main(command(root, *more)) == 2
        message = capsys.readouterr().err.splitlines()
        assert len(message) == 2 and found in message[0] and "another --out" in message[1]
    Image.new("RGB", (50, 50)).save(root / "PACS" / "photo" / "mug" / "new.png")
    assert main(command(root)) == 2
    assert "images" in capsys.readouterr().err


def test_rewritten_images_of_the_same_size_are_seen_and_older_files_are_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "PACS" / "photo" / "bike" / "0.bmp"
    for name in ("photo", "sketch"):
        for label in ("bike", "mug"):
            (tmp_path / "PACS" / name / label).mkdir(parents=True)
            Image.new("RGB", (40, 40), "red").save(tmp_path / "PACS" / name / label / "0.bmp")
    assert main(command(tmp_path)) == main(command(tmp_path)) == 0
    Image.new("RGB", (40, 40), "blue").save(file)
    capsys.readouterr()
    assert main(command(tmp_path)) == 2
    assert "holds features with contents" in capsys.readouterr().err
    # As an earlier version wrote it.
    written = tmp_path / "out" / "photo.npz"
    found = read_features(written)
    settings = json.loads(str(found.settings))
    del settings["contents"]
    adapt.commands.features.write_features(written, found._replace(settings=np.array(json.dumps(settings))))
    assert main(command(tmp_path)) == 0


def test_an_interrupted_write_leaves_no_file(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(file: object, **_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(adapt.commands.features.np, "savez", fails)
    assert main(command(root)) == 130  # as a shell has it
    assert list((root / "out").iterdir()) == []


def test_missing_images_are_named(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command(root), "--dataset", "Office"]) == 2
    assert "found no folder there" in capsys.readouterr().err
    for path in (root / "PACS" / "sketch" / "bike", root / "PACS" / "sketch" / "mug"):
        for file in path.iterdir():
            file.unlink()
        path.rmdir()
    assert main(command(root)) == 2
    assert "found only 'photo'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--batch_size", "0"], "batch size of at least 1"),
        (["--num_workers", "-1"], "num_workers of at least 0"),
        (["--image_size", "0"], "image_size"),
        (["--std", "[1.0, .nan, 1.0]"], "positive standard deviations"),
        (["--device", "abacus"], "available device, found 'abacus'"),
    ],
)
def test_an_argument_out_of_range_ends_in_one_line(
    more: list[str], words: str, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(root, *more)) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 1 and words in error[0]


def test_files_that_cannot_be_written_or_that_others_wrote_end_in_a_short_error(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "file").write_text("no folder")
    assert main([*command(root), "--out", str(root / "file")]) == 2
    assert "Expected to write features to" in capsys.readouterr().err
    write_features(root / "out" / "photo.npz", 6)
    with np.load(root / "out" / "photo.npz") as file:
        content = dict(file) | {"settings": np.array("by hand")}
    np.savez(root / "out" / "photo.npz", **content)
    assert main(command(root)) == 2
    assert "that `adapt features` did not write" in capsys.readouterr().err


def test_pictures_are_seen_as_image_folders_sees_them(root: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = Image.new("RGB", (80, 40), (255, 0, 0))
    lying.paste((0, 0, 255), (40, 0, 80, 40))
    lying.save(root / "PACS" / "photo" / "bike" / "0.png", exif=exif)
    (root / "PACS" / "photo" / "bike" / "._0.png").write_bytes(b"AppleDouble")
    upright = Image.new("RGB", (40, 80), (255, 0, 0))
    upright.paste((0, 0, 255), (0, 40, 40, 80))
    upright.save(root / "PACS" / "photo" / "bike" / "1.png")
    extract_features(SmallCNN((3, 32, 32)), str(root / "out"), "PACS", str(root), image_size=32)
    found = read_features(root / "out" / "photo.npz")
    assert found.files.tolist()[:2] == ["bike/0.png", "bike/1.png"]
    np.testing.assert_allclose(found.features[0], found.features[1], rtol=1e-5)
