"""Decoded images on disk: each is decoded once, and from then on read from a memory-mapped file."""

import contextlib
import hashlib
import io
import itertools
import os
import shutil
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from adapt.data.image_paths import name_below
from adapt.paths import cache_folder

Kind = Literal["pixels", "jpeg"]

# A change of what a record holds has to change this number: older stores are then made anew.
_VERSION = 1
# Of so many files so many bytes are looked at: what is rewritten by a program often keeps its size, and its time where
# an archive gives one to all. The time of the last change of any kind would tell more, but a copy has another.
_FILES, _BYTES = 256, 2**18
_RECORD = np.dtype(
    [("image", "<i8"), ("start", "<i8"), ("length", "<i8"), ("height", "<i4"), ("width", "<i4"), ("check", "<u4")]
)
_QUALITY = 95
_SPARE = 1.1
_LONGEST_TO_SHORTEST = 4 / 3  # of a usual photograph, to estimate sizes by
_JPEG_SHARE = 0.15  # of the bytes of its pixels, about


class ImageStore:
    """The images of one list of files, scaled down and kept on disk.

    The first request for an image decodes it, scales its shorter side down to `side` pixels (an image that is smaller
    stays as it is) and appends it to a file of this process; every later request, of any process, reads it from there
    through a memory map. So the first epoch costs what it did before, and later ones decode nothing. The operating
    system keeps what is read often in memory, once for all processes.

    Each process appends to files of its own and reads those of all, so nobody waits for a lock. A record counts once
    its entry in the index is written whole, and its checksum is compared at each read: a store whose writer was killed
    is continued, a damaged record is decoded again, and a folder that is deleted meanwhile is begun anew. The folder's
    name holds a hash of the files' names, sizes and times, of what begins up to 256 of them, and of `side` and `kind`;
    a changed file therefore makes a new store, but for one among thousands that keeps its size and its time.

    Args:
        files: The image files.
        base: Folder that the files lie in; the store knows them by their paths below it, so that it survives a move.
            A file that lies elsewhere is known by its whole path.
        side: Shorter side of the stored images, in pixels.
        decode: Reads a file as an `RGB` image.
        kind: `pixels` keeps three bytes per pixel; `jpeg` compresses (quality 95), takes about a seventh of the disk,
            loses a little, and costs a small decoding at each read.
        folder: Where stores lie; by default `images` in adapt's cache folder.
    """

    def __init__(
        self,
        files: Sequence[Path],
        base: Path,
        side: int,
        decode: Callable[[Path], Image.Image],
        kind: Kind = "pixels",
        folder: Path | None = None,
    ) -> None:
        self.files, self.side, self.kind, self._decode = files, side, kind, decode
        self.folder = (folder or cache_folder() / "images") / _name(files, base, side, kind)
        # Looked up by a hash, of which a dict would take five times the memory.
        hashes = np.fromiter(map(_hash, files), np.int64, len(files))
        self._by_hash = hashes.argsort()
        self._hashes = hashes[self._by_hash]
        self._open: _Opened | None = None
        self._writes = True

    def __getstate__(self) -> dict[str, object]:
        # Memory maps and open files stay with their process.
        return self.__dict__ | {"_open": None}

    def read(self, path: Path) -> Image.Image:
        """The image of a file as `RGB`, its shorter side at most `side` pixels long."""
        wanted = _hash(path)
        first, last = (int(np.searchsorted(self._hashes, wanted, side)) for side in ("left", "right"))
        for at in self._by_hash[first:last].tolist():
            if self.files[at] == path:
                return self[at]
        raise KeyError(path)

    def __getitem__(self, index: int) -> Image.Image:
        opened = self._opened()
        try:
            found = None if opened is None else opened.read(index, self.kind)
        except FileNotFoundError:
            # Somebody has deleted the store, as they may at any time.
            self._open, found = None, None
            opened = self._opened()
        if found is not None:
            return found
        image = shrunk(self._decode(self.files[index]), self.side)
        if opened is None or not self._writes:
            return image
        content, image = _encoded(image, self.kind)
        try:
            opened.append(index, content, image.size)
        except FileNotFoundError:
            self._open = None
        except OSError as error:
            # A full disk costs speed, not the run.
            self._writes = False
            warnings.warn(f"Keeps no more decoded images in {self.folder} ({error.strerror}).", stacklevel=2)
        return image

    def expected_bytes(self) -> int:
        """About how large the whole store becomes, by the usual shape of photographs."""
        pixels = 3 * self.side**2 * _LONGEST_TO_SHORTEST
        return round(len(self.files) * pixels * (_JPEG_SHARE if self.kind == "jpeg" else 1))

    def stored(self) -> int:
        """Number of images that are stored."""
        opened = self._opened()
        return 0 if opened is None else opened.refresh()

    def is_there(self) -> bool:
        """Whether the folder could be made."""
        return self._opened() is not None

    def has_room(self) -> tuple[bool, int]:
        """Whether the disk has room for what is still to be stored, and how many bytes of it are free."""
        place = next(path for path in (self.folder, *self.folder.parents) if path.exists())
        free = shutil.disk_usage(place).free
        missing = 1 - self.stored() / max(1, len(self.files))
        return free > _SPARE * missing * self.expected_bytes(), free

    def _opened(self) -> "_Opened | None":
        if self._open is not None and self._open.process == os.getpid():
            return self._open
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._open = _Opened(self.folder, len(self.files))
        except OSError:
            # A cache that cannot be made is no reason not to train.
            return None
        return self._open


class _Opened:
    """A store as one process sees it."""

    def __init__(self, folder: Path, size: int) -> None:
        self.folder, self.process = folder, os.getpid()
        # Part (-1: none), start, length, height, width, checksum of each image.
        self.part = np.full(size, -1, np.int16)
        self.where = np.zeros(size, _RECORD)
        self.maps: dict[int, NDArray[np.uint8]] = {}
        self.names: list[str] = []
        self.known: dict[str, int] = {}
        self.listed = -1
        self.own: tuple[io.BufferedWriter, io.BufferedWriter] | None = None
        self.refresh()

    def refresh(self) -> int:
        """Take in what processes have written since, and count all."""
        # The newest last: it may hold what a damaged one held before.
        for path in sorted(self.folder.glob("*.index"), key=lambda path: (path.stat().st_mtime_ns, path.name)):
            start = self.known.get(path.stem, 0)
            whole = path.stat().st_size // _RECORD.itemsize * _RECORD.itemsize
            if whole <= start or not path.with_suffix(".bytes").exists():
                continue
            with path.open("rb") as file:
                file.seek(start)
                records = np.frombuffer(file.read(whole - start), _RECORD)
            self.known[path.stem] = whole
            if path.stem not in self.names:
                self.names.append(path.stem)
            records = records[(records["image"] >= 0) & (records["image"] < len(self.part))]
            self.part[records["image"]] = self.names.index(path.stem)
            self.where[records["image"]] = records
        self.listed = self._size()
        return int((self.part >= 0).sum())

    def read(self, index: int, kind: Kind) -> Image.Image | None:
        """The image, or None where it is not stored or damaged.

        Raises:
            FileNotFoundError: The store has been deleted.
        """
        if self.part[index] < 0 and self._size() != self.listed:
            self.refresh()
        if self.part[index] < 0:
            return None
        record = self.where[index]
        start, length = int(record["start"]), int(record["length"])
        height, width = int(record["height"]), int(record["width"])
        content = self._bytes(int(self.part[index]), start, length)
        # A system that goes down may leave zeros, whose checksum is that of no bytes.
        fits = length > 0 and (kind == "jpeg" or (height > 0 and length == 3 * height * width))
        if not fits or len(content) != length or zlib.crc32(content.data) != record["check"]:
            self.part[index] = -1
            return None
        if kind == "jpeg":
            return Image.open(io.BytesIO(content.tobytes())).convert("RGB")
        return Image.fromarray(content.reshape(height, width, 3))

    def append(self, index: int, content: NDArray[np.uint8], size: tuple[int, int]) -> None:
        """Store an image; its entry is written after its bytes, so that an entry never names what is not there.

        Raises:
            OSError: It cannot be written; FileNotFoundError where the store has been deleted.
        """
        data, entries = self._own_files()
        Path(entries.name).stat()  # a deleted file could still be written to, and read by nobody
        start = data.tell()
        data.write(content.data)
        data.flush()
        record = np.array([(index, start, len(content), size[1], size[0], zlib.crc32(content.data))], _RECORD)
        entries.write(record.tobytes())
        entries.flush()

    def _own_files(self) -> tuple[io.BufferedWriter, io.BufferedWriter]:
        if self.own is None:
            for number in itertools.count():
                name = self.folder / f"{os.getpid()}-{number}"
                try:
                    # Fails where the file is there: nobody appends to another's.
                    self.own = name.with_suffix(".bytes").open("xb"), name.with_suffix(".index").open("xb")
                    break
                except FileExistsError:
                    continue
            assert self.own is not None
        return self.own

    def _size(self) -> int:
        with os.scandir(self.folder) as found:
            return sum(entry.stat().st_size for entry in found if entry.name.endswith(".index"))

    def _bytes(self, part: int, start: int, length: int) -> NDArray[np.uint8]:
        known = self.maps.get(part)
        if known is None or len(known) < start + length:
            file = self.folder / f"{self.names[part]}.bytes"
            # An empty file cannot be mapped.
            known = self.maps[part] = np.memmap(file, np.uint8, "r") if file.stat().st_size else np.zeros(0, np.uint8)
        return known[start : start + length]


def _hash(path: Path) -> int:
    # Python's own hash differs between processes.
    return int.from_bytes(hashlib.blake2b(os.fsencode(path), digest_size=8).digest(), "big", signed=True)


def _name(files: Sequence[Path], base: Path, side: int, kind: Kind) -> str:
    digest = hashlib.sha256(f"{_VERSION} {side} {kind}".encode())
    for path in files:
        found = path.stat()
        digest.update(os.fsencode(f"{name_below(path, base)} {found.st_size} {found.st_mtime_ns}\n"))
    digest.update(b"".join(beginnings(files)))
    return f"{base.name:.40}-{side}-{digest.hexdigest()[:16]}"


def beginnings(files: Sequence[Path]) -> Iterator[bytes]:
    """Hashes of what begins up to 256 of some files, evenly over all: enough to see that a folder was rewritten."""
    for at in np.unique(np.linspace(0, len(files) - 1, min(len(files), _FILES)).astype(int)).tolist():
        path = files[at]
        # What cannot be read is named when it is decoded; a pipe would never end.
        with contextlib.suppress(OSError):
            if path.is_file():
                with path.open("rb") as file:
                    yield hashlib.sha256(file.read(_BYTES)).digest()


def shrunk(image: Image.Image, side: int) -> Image.Image:
    """An image whose shorter side is at most `side` pixels long."""
    shorter = min(image.size)
    if shorter <= side:
        return image
    scale = side / shorter
    # As torchvision's Resize does it, so that a stored image is what Resize would have made.
    width, height = (side if length == shorter else int(scale * length) for length in image.size)
    return image.resize((width, height), Image.Resampling.BILINEAR)


def _encoded(image: Image.Image, kind: Kind) -> tuple[NDArray[np.uint8], Image.Image]:
    if kind == "pixels":
        return np.asarray(image).reshape(-1), image
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_QUALITY)
    # What is returned now is what later reads return: the first epoch does not see other images.
    return np.frombuffer(buffer.getvalue(), np.uint8), Image.open(buffer).convert("RGB")
