"""Stored images equal decoded ones, whoever wrote them, and a damaged store costs time and nothing else."""

import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import functional

from adapt.data import ImageFolders, folders
from adapt.data.images import open_image
from adapt.data.store import _RECORD, ImageStore, Kind


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


def write_domains(place: Path) -> None:
    for domain in ("a", "b"):
        for label in ("x", "y"):
            photographs(place / "data" / domain / label)


def two_domains(place: Path, **options: object) -> ImageFolders:
    return ImageFolders("a", "b", root=str(place / "data"), image_size=16, batch_size=4, **options)  # type: ignore[arg-type]


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


@pytest.mark.parametrize("damage", ["bytes", "end", "index", "other", "shape", "zeros", "empty", "lost"])
def test_a_damaged_store_is_mended(damage: str, tmp_path: Path) -> None:
    first, _ = store(tmp_path)
    right = [first[k] for k in range(6)]
    # A name behind those of later processes.
    data, index = (next(first.folder.glob(f"*.{end}")).rename(first.folder / f"z.{end}") for end in ("bytes", "index"))
    if damage == "bytes":
        content = bytearray(data.read_bytes())
        content[10] ^= 255
        data.write_bytes(content)
    elif damage == "end":
        data.write_bytes(data.read_bytes()[:-5])
    elif damage == "index":
        index.write_bytes(index.read_bytes()[:-3])
    elif damage == "shape":
        records = np.frombuffer(index.read_bytes(), _RECORD).copy()
        records["height"][2] += 1
        index.write_bytes(records.tobytes())
    elif damage == "zeros":
        index.write_bytes(bytes(index.stat().st_size))
    elif damage == "empty":
        data.write_bytes(b"")
    elif damage == "lost":
        data.unlink()
    else:
        index.write_bytes(index.read_bytes() + b"\xff" * 400)
    again, decode = store(tmp_path)
    assert all(same(again[k], image) for k, image in enumerate(right))
    assert decode.calls == {"other": 0, "zeros": 6, "empty": 6, "lost": 6}.get(damage, 1)
    last, decode = store(tmp_path)
    assert all(same(last[k], image) for k, image in enumerate(right))
    assert decode.calls == 0


@pytest.mark.parametrize("when", ["unread", "half", "unmapped"])
def test_a_store_that_is_deleted_meanwhile_begins_anew(when: str, tmp_path: Path) -> None:
    found, _ = store(tmp_path)
    if when == "half":
        found[0]
    elif when == "unmapped":
        writer, _ = store(tmp_path)
        assert all(writer[k] for k in range(6))
    found.stored()
    shutil.rmtree(found.folder)
    for _ in range(2):
        for k, path in enumerate(found.files):
            assert same(found[k], functional.resize(open_image(path), 32))
    again, decode = store(tmp_path)
    assert all(again[k] for k in range(6))
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


def test_rewritten_files_of_the_same_size_and_time_make_a_new_store(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for shade in (10, 200):
        for k in range(3):
            Image.new("RGB", (8, 8), (shade, k, 0)).save(folder / f"{k}.bmp")
            os.utime(folder / f"{k}.bmp", (0, 0))
        found = ImageStore(sorted(folder.glob("*.bmp")), tmp_path, 32, open_image, "pixels", tmp_path / "cache")
        assert found[1].getpixel((0, 0)) == (shade, 1, 0)


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


def test_image_folders_see_the_same_pixels_with_and_without_a_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    write_domains(tmp_path)

    def first_batches(**options: object) -> list[Tensor]:
        torch.manual_seed(0)
        made = two_domains(tmp_path, **options)
        made.setup("fit")
        training = next(iter(zip(*made.train_dataloader(), strict=True)))
        evaluation = next(iter(made.val_dataloader()[1]))
        return [training[0].x, training[1].x, evaluation.x]

    small: dict[str, object] = {"store_size": 20}
    without = first_batches(**small)
    assert not (tmp_path / "home").exists()
    monkeypatch.setattr(folders, "_FEWEST_STORED", 1)
    for _ in range(2):  # written, then read
        assert all(torch.equal(a, b) for a, b in zip(first_batches(**small), without, strict=True))
    assert len(list((tmp_path / "home" / "adapt" / "images").iterdir())) == 2
    whole = first_batches(store="none")
    assert whole[2].shape == without[2].shape


def test_a_store_is_announced_or_left_out_where_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(folders, "_FEWEST_STORED", 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    write_domains(tmp_path)
    made = two_domains(tmp_path)
    with pytest.warns(UserWarning, match=r"no room to keep them .* --data.store jpeg"):
        made.setup("fit")
    assert not list((tmp_path / "home").rglob("*.bytes"))


def test_a_store_is_announced_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(folders, "_FEWEST_STORED", 1)
    said: list[str] = []
    monkeypatch.setattr(folders, "rank_zero_info", said.append)
    write_domains(tmp_path)
    for _ in range(3):
        two_domains(tmp_path).setup("fit")
    assert [line.split(" are kept")[0] for line in said] == ["The images of 'a'", "The images of 'b'"]


def test_a_store_that_cannot_be_made_is_not_announced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(folders, "_FEWEST_STORED", 1)
    (tmp_path / "home").write_text("a file")
    write_domains(tmp_path)
    made = two_domains(tmp_path)
    with pytest.warns(UserWarning, match=r"cannot be kept in .* Set XDG_CACHE_HOME"):
        made.setup("fit")


def test_files_of_one_hash_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapt.data.store._hash", lambda path: 7)
    kept, _ = store(tmp_path)
    assert [np.asarray(kept.read(path)).tolist() for path in kept.files] == [
        np.asarray(kept[k]).tolist() for k in range(len(kept.files))
    ]
    with pytest.raises(KeyError):
        kept.read(tmp_path / "another.png")
