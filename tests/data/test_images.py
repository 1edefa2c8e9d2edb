"""Every picture as eight bits, upright, or refused by its name."""

import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from adapt.data.images import UnreadableImageError, as_picture, image_files, open_image, readable_endings
from adapt.errors import AdaptError, SampleError

RAMP = (np.arange(256)[None].repeat(4, 0) * 257).astype(np.uint16)


def levels(path: Path) -> list[int]:
    image = open_image(path)
    assert image.mode == "RGB"
    pixels = np.asarray(image)
    assert (pixels == pixels[..., :1]).all()
    return [int(v) for v in pixels[0, :, 0]]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("16.png", RAMP),
        ("16.tif", RAMP),
        ("big.tif", RAMP.astype(">u2")),
        ("float.tif", (RAMP / 65535).astype(np.float32)),
        ("8.png", (RAMP // 257).astype(np.uint8)),
    ],
)
def test_a_ramp_keeps_its_256_levels(name: str, values: Any, tmp_path: Path) -> None:
    Image.fromarray(values).save(tmp_path / name)
    assert levels(tmp_path / name) == list(range(256))


def test_a_16_bit_pgm_keeps_its_levels(tmp_path: Path) -> None:
    (tmp_path / "a.pgm").write_bytes(b"P5 256 4 65535\n" + RAMP.astype(">u2").tobytes())
    assert levels(tmp_path / "a.pgm") == list(range(256))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.full((4, 4), 70000, np.int32), "32-bit integers"),
        (np.full((4, 4), 12.5, np.float32), "floats from 12.5 to 12.5, expected 0 to 1"),
        (np.full((4, 4), -0.5, np.float32), "expected 0 to 1"),
        (np.full((4, 4), np.nan, np.float32), "expected 0 to 1"),
    ],
)
def test_values_of_an_unknown_range_are_refused_by_name(values: Any, words: str, tmp_path: Path) -> None:
    Image.fromarray(values).save(tmp_path / "deep.tif")
    with pytest.raises(UnreadableImageError, match=rf"deep\.tif.*{words}"):
        open_image(tmp_path / "deep.tif")


def test_what_is_transparent_lies_on_white(tmp_path: Path) -> None:
    red = Image.new("RGBA", (6, 4), (255, 0, 0, 255))
    red.paste((0, 0, 0, 0), (3, 0, 6, 4))
    red.save(tmp_path / "rgba.png")
    red.save(tmp_path / "rgba.webp", lossless=True)
    red.quantize(4).save(tmp_path / "palette.png")
    red.convert("P").save(tmp_path / "key.gif", transparency=red.convert("P").getpixel((5, 0)))
    for name in ("rgba.png", "rgba.webp", "palette.png", "key.gif"):
        image = open_image(tmp_path / name)
        assert (image.mode, image.getpixel((0, 0)), image.getpixel((5, 3))) == ("RGB", (255, 0, 0), (255, 255, 255))
    Image.new("LA", (4, 4), (0, 0)).save(tmp_path / "la.png")
    assert open_image(tmp_path / "la.png").getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize(
    ("mode", "colour"), [("CMYK", (0, 255, 255, 0)), ("L", 76), ("1", 1), ("YCbCr", (76, 85, 255))]
)
def test_other_colours_become_red_green_and_blue(mode: str, colour: Any, tmp_path: Path) -> None:
    path = tmp_path / ("a.jpg" if mode in ("CMYK", "YCbCr") else "a.png")
    Image.new(mode, (8, 8), colour).save(path)
    expected = {"CMYK": (255, 0, 0), "L": (76, 76, 76), "1": (255, 255, 255), "YCbCr": (255, 0, 0)}[mode]
    assert np.abs(np.subtract(open_image(path).getpixel((4, 4)), expected)).max() < 6


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_photograph_is_seen_upright(orientation: int, ending: str, tmp_path: Path) -> None:
    upright = Image.new("RGB", (48, 32), (250, 250, 250))
    upright.paste((250, 0, 0), (0, 0, 24, 16))  # red in the upper left corner alone
    back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # the transposition that the note undoes
    held = upright if orientation == 1 else upright.transpose(Image.Transpose(back[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    held.save(tmp_path / f"a.{ending}", exif=exif)
    found = open_image(tmp_path / f"a.{ending}")
    assert found.size == upright.size
    assert np.abs(np.asarray(found).astype(int)[::8, ::8] - np.asarray(upright)[::8, ::8]).max() < 40


def test_a_broken_note_of_the_camera_costs_no_picture(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8), (9, 9, 9)).save(tmp_path / "a.jpg", exif=b"Exif\0\0MM\0*\0\0\0\xff broken")
    assert open_image(tmp_path / "a.jpg").size == (8, 8)


def test_of_several_frames_the_first_is_taken(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    for name in ("a.gif", "a.tif", "a.png", "a.webp"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], lossless=True)
        assert open_image(tmp_path / name).getpixel((4, 4)) == (255, 0, 0)


def bomb(path: Path, width: int, height: int) -> None:
    """A PNG of one colour that says it is so large, of a few hundred bytes."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99)))


@pytest.mark.parametrize("size", [(60_000, 60_000), (10_000, 9_500), (1, 60_000)])
def test_a_bomb_is_refused_by_name_before_it_is_decoded(
    size: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb(tmp_path / "small.png", *size)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda *_: pytest.fail("decoded"))
    with pytest.raises(UnreadableImageError, match=r"small\.png"):
        open_image(tmp_path / "small.png")


def test_what_is_no_file_is_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    for name in ("pipe.png", "folder.png", "gone.png", "none.png"):
        with pytest.raises(UnreadableImageError, match=name):
            open_image(tmp_path / name)


def test_nothing_but_a_decoder_reads_a_file_whatever_its_ending(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n%%EOF\n")
    with pytest.raises(UnreadableImageError, match="cannot identify"):
        open_image(tmp_path / "a.png")
    assert {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm"} < set(readable_endings())
    assert not {".eps", ".h5", ".mpg", ".txt", ".npy", ".pdf"} & set(readable_endings())


@pytest.mark.parametrize("ending", ["jpg", "png", "gif", "tif", "webp", "bmp"])
def test_a_file_cut_short_or_changed_is_a_picture_or_refused(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{ending}"
    Image.effect_noise((24, 24), 90).convert("RGB").save(path)
    whole = path.read_bytes()
    generator = np.random.default_rng(0)
    with pytest.raises(UnreadableImageError, match=f"a.{ending}"):
        path.write_bytes(whole[: len(whole) // 2])
        open_image(path)
    for _ in range(60):
        changed = bytearray(whole)
        for at in generator.integers(len(changed), size=4):
            changed[at] = generator.integers(256)
        path.write_bytes(changed)
        try:
            assert open_image(path).mode == "RGB"
        except UnreadableImageError as error:
            assert str(path) in str(error) and "\n" not in str(error)


@pytest.fixture
def album(tmp_path: Path) -> Path:
    folder = tmp_path / "album"
    for name in ("b/2.JPG", "1.png", "3.j2k", ".hidden/4.png", "c/.5/6.png", "__MACOSX/7.png", "@eaDir/1.png/8.jpg"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(path, format="PNG")
    for name in ("._1.png", ".DS_Store", "Thumbs.db", "notes.txt", "b/list.csv", "raw.cr2"):
        (folder / name).write_bytes(b"text")
    (folder / "album.jpg").mkdir()
    return folder


def names(paths: list[Path], folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in paths]


def test_pictures_are_found_at_any_depth_and_what_is_hidden_is_not(album: Path) -> None:
    images, others = image_files(album)
    assert names(images, album) == ["1.png", "3.j2k", "b/2.JPG"]
    assert names(others, album) == ["b/list.csv", "notes.txt", "raw.cr2"]


def test_the_folder_itself_may_lie_in_a_hidden_one(album: Path) -> None:
    moved = album.parent / ".cache" / "data"
    moved.parent.mkdir()
    album.rename(moved)
    assert len(image_files(moved)[0]) == 3


def test_links_are_followed_once_and_never_upwards(album: Path, tmp_path: Path) -> None:
    more = tmp_path / "more"
    (more / "deep").mkdir(parents=True)
    Image.new("RGB", (4, 4)).save(more / "deep" / "9.png")
    (more / "again").symlink_to(more)
    (album / "linked").symlink_to(more)
    (album / "twice").symlink_to(more)
    (album / "up").symlink_to(tmp_path)
    (album / "self").symlink_to(album)
    (album / "one.png").symlink_to(more / "deep" / "9.png")
    found = names(image_files(album)[0], album)
    assert found == ["1.png", "3.j2k", "b/2.JPG", "linked/deep/9.png", "one.png"]


@pytest.mark.parametrize("end", ["nowhere", "lost.png"])
def test_a_link_to_nothing_is_refused_by_name(end: str, album: Path) -> None:
    (album / "lost.png").symlink_to(album / end)
    with pytest.raises(AdaptError, match=r"lost\.png, found a link to nothing"):
        image_files(album)


def test_pipes_are_left_out(album: Path) -> None:
    os.mkfifo(album / "pipe.png")
    assert "pipe.png" in names(image_files(album)[1], album)
    assert len(image_files(album)[0]) == 3


@pytest.mark.parametrize("mode", ["F", "I"])
def test_a_picture_in_python_that_is_none_for_us_is_said(mode: str) -> None:
    with pytest.raises(SampleError, match=f"mode '{mode}': (floats from|32-bit)"):
        as_picture(Image.new(mode, (4, 4), 200))
