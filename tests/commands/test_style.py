"""`adapt style` as its user types it."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image

from adapt.cli import main
from adapt.commands.style import read_picture


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    torch.manual_seed(0)
    Image.effect_noise((80, 60), 60).convert("RGB").save(tmp_path / "a.jpg")
    Image.new("RGB", (50, 70), (220, 120, 40)).save(tmp_path / "b.png")
    torch.save(torchvision.models.get_model("squeezenet1_1").state_dict(), tmp_path / "w.pth")
    os.mkfifo(tmp_path / "pipe.jpg")
    Image.new("F", (64, 64), 7.0).save(tmp_path / "float.tif")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def style(*more: str) -> int:
    words = "style --content a.jpg --style b.png --out new/c.png --weights w.pth --size 48 --steps 12"
    words += " --rate 0.05 --style-weight 1000 --smoothness 0"
    return main([*words.split(), *more])


def test_a_picture_is_painted_repeatably_with_the_contents_shape_and_the_styles_colour(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert style() == 0
    first = (folder / "new" / "c.png").read_bytes()
    assert "new/c.png (48×36)" in capsys.readouterr().out
    assert style("--start", "noise", "--seed", "1") == style() == 0
    assert (folder / "new" / "c.png").read_bytes() == first
    with Image.open(folder / "new" / "c.png") as image:
        assert image.size == (48, 36)
        red, _, blue = (channel.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0)) for channel in image.split())
    assert red > blue + 3  # the content is gray


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--content", "none.jpg"], "a picture at none.jpg"),
        (["--style", "w.pth"], "a picture at w.pth"),
        (["--out", "c.txt"], "file ending such as"),
        (["--weights", "none.pth"], "found nothing at none.pth"),
        (["--weights", "b.png"], "not a state dict"),
        (["--size", "8"], "size of at least 32"),
        (["--steps", "0"], "steps of at least 1"),
        (["--rate", "nan"], "found 12, nan"),
        (["--style-weight", "inf"], "weights of at least 0"),
        (["--device", "abacus"], "available --device, found 'abacus'"),
        (["--out", "c.psd"], "file ending such as"),
        (["--content", "pipe.jpg"], "a picture at pipe.jpg.*no regular file"),
        (["--content", "float.tif"], "a picture at float.tif.*expected 0 to 1"),
    ],
)
def test_a_mistake_ends_in_a_short_error(
    folder: Path, more: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert style(*more) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 1 and error[0].startswith("adapt: ")
    assert re.search(words, error[0])


def test_a_painted_picture_never_takes_the_place_of_its_own_photograph(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (path,) = folder.glob("a.*")
    before = path.read_bytes()
    assert style("--out", str(path)) == 2
    assert "which the command reads" in capsys.readouterr().err
    assert path.read_bytes() == before


def test_a_deep_and_turned_photograph_is_read_as_it_is_seen(folder: Path) -> None:
    ramp = np.arange(96)[None].repeat(64, 0)
    exif = Image.Exif()
    exif[0x0112] = 8
    Image.fromarray((ramp * 257).astype(np.uint16)).save(folder / "deep.png", exif=exif)
    pixels = read_picture(folder / "deep.png", 96)
    assert pixels.shape == (1, 3, 96, 64)
    assert (255 * pixels[0, 0, :, 5]).round().tolist() == list(range(95, -1, -1))
