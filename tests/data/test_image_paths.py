import os
import pickle
import tracemalloc
from pathlib import Path

import pytest

from adapt.data.image_paths import ImagePaths

FOLDER = Path("data") / "pets"
FILES = [FOLDER / "cat" / "1.png", FOLDER / "cat" / "ü 2.png", FOLDER / "dog" / os.fsdecode(b"\xff.png")]


def test_paths_come_back_as_they_were() -> None:
    paths = ImagePaths(FOLDER, FILES)
    assert list(paths) == FILES
    assert (len(paths), paths[-1], list(paths[1:])) == (3, FILES[2], FILES[1:])
    assert list(pickle.loads(pickle.dumps(paths))) == FILES
    with pytest.raises(IndexError, match="No path 3 among 3"):
        paths[3]


def test_parts_of_parts_are_right() -> None:
    part = ImagePaths(FOLDER, FILES).take([2, 0, 1]).take([1, 0])
    assert list(part) == [FILES[0], FILES[2]]
    assert (len(part), part[-1]) == (2, FILES[2])
    assert list(ImagePaths(FOLDER)) == []


def test_a_file_elsewhere_is_kept_whole(tmp_path: Path) -> None:
    assert list(ImagePaths(FOLDER, [tmp_path / "1.png", FILES[0]])) == [tmp_path / "1.png", FILES[0]]


def test_they_take_little_memory() -> None:
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    paths = ImagePaths(FOLDER, (FOLDER / f"class-{k % 10}" / f"image-{k:06d}.png" for k in range(10_000)))
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(paths) == 10_000
    assert (after - before) / len(paths) < 50  # a Path takes about 300 bytes
