"""Stored images equal decoded ones, whoever wrote them, and a damaged store costs time and nothing else."""

import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision.transforms.v2 import functional

from adapt.data.images import open_image
from adapt.data.store import ImageStore, Kind


def photographs(folder: Path, count: int = 6) -> list[Path]:
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    files = []
    for k in range(count):
        height, width = rng.integers(40, 120, 2)
        small = rng.integers(0, 256, (4, 5, 3), dtype=np.uint8)
        files.append(folder / f"{k}.png")
        Image.fromarray(small).resize((int(width), int(height))).save(files[-1])
    return files


class Counted:
    """Reads files, and counts how often."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, path: Path) -> Image.Image:
        self.calls += 1
        return open_image(path)


def store(tmp_path: Path, kind: Kind = "pixels", side: int = 32) -> tuple[ImageStore, Counted]:
    files = sorted((tmp_path / "photos").glob("*.png")) or photographs(tmp_path / "photos")
    decode = Counted()
    return ImageStore(files, tmp_path, side, decode, kind, tmp_path / "cache"), decode


def same(one: Image.Image, other: Image.Image) -> bool:
    return np.array_equal(np.asarray(one), np.asarray(other))


def test_images_are_what_resize_makes_and_are_decoded_once(tmp_path: Path) -> None:
    first, decode = store(tmp_path)
    seen = [first[k] for k in range(6)]
    assert decode.calls == 6
    for path, image in zip(first.files, seen, strict=True):
        assert same(image, functional.resize(open_image(path), 32))
    again, decode = store(tmp_path)
    assert all(same(again[k], image) for k, image in enumerate(seen))
    assert decode.calls == 0
    assert again.stored() == 6


def test_small_images_stay_as_they_are(tmp_path: Path) -> None:
    found, _ = store(tmp_path, side=500)
    assert found[0].size == open_image(found.files[0]).size


def test_jpeg_is_the_same_at_each_read_and_close(tmp_path: Path) -> None:
    found, _ = store(tmp_path, "jpeg")
    first = [found[k] for k in range(6)]
    again, decode = store(tmp_path, "jpeg")
    assert all(same(again[k], image) for k, image in enumerate(first))
    assert decode.calls == 0
    exact = functional.resize(open_image(found.files[0]), 32)
    assert np.abs(np.asarray(first[0], int) - np.asarray(exact, int)).mean() < 6


def test_what_another_process_stores_is_read(tmp_path: Path) -> None:
    mine, decode = store(tmp_path)
    mine[0]
    code = "import pickle, sys; s = pickle.load(sys.stdin.buffer); [s[k] for k in range(6)]"
    subprocess.run([sys.executable, "-c", code], input=pickle.dumps(mine), check=True)
    assert [mine[k].size for k in range(6)]
    assert decode.calls == 1
    assert len(list(mine.folder.glob("*.index"))) == 2


@pytest.mark.parametrize("damage", ["bytes", "end", "index", "other"])
def test_a_damaged_store_is_mended(damage: str, tmp_path: Path) -> None:
    first, _ = store(tmp_path)
    right = [first[k] for k in range(6)]
    data, index = next(first.folder.glob("*.bytes")), next(first.folder.glob("*.index"))
    if damage == "bytes":
        content = bytearray(data.read_bytes())
        content[10] ^= 255
        data.write_bytes(content)
    elif damage == "end":
        data.write_bytes(data.read_bytes()[:-5])
    elif damage == "index":
        index.write_bytes(index.read_bytes()[:-3])
    else:
        index.write_bytes(index.read_bytes() + b"\xff" * 400)
    again, decode = store(tmp_path)
    assert all(same(again[k], image) for k, image in enumerate(right))
    assert decode.calls == (0 if damage == "other" else 1)
    last, decode = store(tmp_path)
    assert all(same(last[k], image) for k, image in enumerate(right))
    assert decode.calls == 0


def test_a_changed_file_and_another_side_make_a_new_store_and_a_moved_folder_does_not(tmp_path: Path) -> None:
    found, _ = store(tmp_path)
    names = {found.folder, store(tmp_path, side=16)[0].folder, store(tmp_path, "jpeg")[0].folder}
    Image.new("RGB", (50, 50)).save(found.files[2])
    assert len(names | {store(tmp_path)[0].folder}) == 4
    before = store(tmp_path)[0].folder.name
    shutil.copytree(tmp_path / "photos", tmp_path / "moved" / "photos", copy_function=shutil.copy2)
    moved = sorted((tmp_path / "moved" / "photos").glob("*.png"))
    assert ImageStore(moved, tmp_path / "moved", 32, open_image).folder.name[-16:] == before[-16:]


def test_a_folder_that_cannot_be_written_costs_only_speed(tmp_path: Path) -> None:
    files = photographs(tmp_path / "photos")
    (tmp_path / "cache").write_text("a file")
    found = ImageStore(files, tmp_path, 32, open_image, "pixels", tmp_path / "cache")
    assert same(found[0], functional.resize(open_image(files[0]), 32))
    assert found.stored() == 0


def test_a_full_disk_costs_only_speed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found, decode = store(tmp_path)
    found[0]

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    assert found._open is not None
    monkeypatch.setattr(found._open, "append", full)
    with pytest.warns(UserWarning, match="No space left"):
        found[1]
    assert [found[k].size for k in range(6)]
    assert decode.calls == 2 + 4 + 1  # image 1 once more, and nothing is tried again
