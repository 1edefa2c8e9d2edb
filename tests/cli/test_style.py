"""`adapt style` as its user types it."""

import re
from pathlib import Path

import pytest
import torch
import torchvision
from PIL import Image

from adapt.cli import main


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    torch.manual_seed(0)
    Image.effect_noise((80, 60), 60).convert("RGB").save(tmp_path / "a.jpg")
    Image.new("RGB", (50, 70), (220, 120, 40)).save(tmp_path / "b.png")
    torch.save(torchvision.models.get_model("squeezenet1_1").state_dict(), tmp_path / "w.pth")
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
        (["--out", "c.txt"], "ending of a picture"),
        (["--weights", "none.pth"], "found nothing at none.pth"),
        (["--weights", "b.png"], "no state dict"),
        (["--size", "8"], "size of at least 32"),
        (["--steps", "0"], "steps of at least 1"),
    ],
)
def test_a_mistake_ends_in_a_short_error(
    folder: Path, more: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert style(*more) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 1 and error[0].startswith("adapt: ")
    assert re.search(words, error[0])
