"""MNIST-M: read as its authors distribute it, or made from MNIST and BSDS500 by their recipe."""

import argparse
import hashlib
import os
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.progress import track
from torchvision.datasets import MNIST

from adapt.data.views import TensorDomain
from adapt.errors import AdaptError
from adapt.paths import data_root

Bytes = NDArray[np.uint8]

INSTRUCTIONS = (
    "Unpack the authors' mnist_m archive to <root>/mnist_m (mnist_m_train/, mnist_m_train_labels.txt, ...), or put "
    "BSDS500's photographs into <root>/bsds500/train (or <root>/BSR/BSDS500/data/images/train, as its archive has "
    "them) beside MNIST in <root>/MNIST/raw, from which it is made."
)
_SIZE = 28
_PHOTOS = (Path("bsds500/train"), Path("BSR/BSDS500/data/images/train"))
_MNIST_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
_ARRAYS = ("train_x", "train_y", "test_x", "test_y")
_RECIPE = "1"
_UNREADABLE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)


def blend(digits: Bytes, photos: list[Bytes], seed: int, message: str = "MNIST-M") -> Bytes:
    """|photo crop − digit| per channel, each digit on a random crop of a random photograph.

    DANN, §5.2.4 (https://jmlr.org/papers/v17/15-239.html). A widespread script (tf-dann) binarises the digits first;
    the paper does not, and neither does this.

    Args:
        digits: `(N, 28, 28)`.
        photos: Photographs `(H, W, 3)`, each at least as large as a digit.
        seed: Seed of photographs and crops.
        message: Title of the progress bar.

    Returns:
        Images `(N, 3, 28, 28)`.
    """
    generator = np.random.default_rng(seed)
    chosen = generator.integers(len(photos), size=len(digits))
    # Fractions rather than positions, because the photographs differ in size.
    where = generator.random((len(digits), 2))
    out = np.empty((len(digits), 3, *digits.shape[1:]), np.uint8)
    console = Console(stderr=True)
    for k, photo in enumerate(track(photos, message, console=console, transient=True, disable=not console.is_terminal)):
        at = np.flatnonzero(chosen == k)
        windows = sliding_window_view(photo, digits.shape[1:], axis=(0, 1))
        top, left = (where[at] * windows.shape[:2]).astype(int).T
        out[at] = np.abs(windows[top, left].astype(np.int16) - digits[at, None])
    return out


def load(root: Path, train: bool) -> TensorDomain:
    """The training or the test set: the published files if they lie under `root`, else the generated ones.

    Raises:
        AdaptError: Neither the published files nor what to make them from lies there, or one of them is corrupt.
    """
    part = "train" if train else "test"
    if (root / "mnist_m" / f"mnist_m_{part}_labels.txt").exists():
        return _read_published(root / "mnist_m", part)
    path = ensure(root)
    with np.load(path) as file:
        return TensorDomain(torch.from_numpy(file[f"{part}_x"]), torch.from_numpy(file[f"{part}_y"]))


def ensure(root: Path) -> Path:
    """Where the images lie: the published folder, or the generated file, which is made if it is not there.

    The file is `<root>/mnist_m/adapt_generated.npz`, or below the user's cache folder where the root is read-only.
    A file that is corrupt, or was made from other photographs or digits, is made again.

    Raises:
        AdaptError: Neither the published files nor what to make them from lies there.
    """
    if (root / "mnist_m" / "mnist_m_train_labels.txt").exists():
        return root / "mnist_m"
    ingredients = [*_photo_paths(root), *(root / "MNIST" / "raw" / name for name in _MNIST_FILES)]
    beside = root / "mnist_m" / "adapt_generated.npz"
    missing = [path for path in ingredients if not path.exists()]
    if missing or not _photo_paths(root):
        if _made_from(beside) is not None:
            return beside
        lacking = missing[0] if missing else root / _PHOTOS[0]
        raise AdaptError(f"Expected MNIST-M under {root / 'mnist_m'}, found neither it nor {lacking}. {INSTRUCTIONS}")
    mark = _mark(ingredients)
    cached = _cache_folder() / f"mnist_m_{mark[:12]}.npz"
    for path in (beside, cached):
        if _made_from(path) == mark:
            return path
    for path in (beside, cached):
        if _writable(path.parent):
            return generate(root, path)
    raise AdaptError(
        f"Expected to write MNIST-M (165 MB) to {beside} or {cached}, but may write to neither. "
        "Set XDG_CACHE_HOME to a folder that you may write to."
    )


def generate(root: Path, path: Path) -> Path:
    """Make both sets from MNIST and BSDS500 below `root`, and write them to `path` in one step.

    Args:
        root: The data root.
        path: The file to write, 165 MB.
    """
    sources = _photo_paths(root)
    missing = [p for p in (root / "MNIST" / "raw" / name for name in _MNIST_FILES) if not p.exists()]
    if missing or not sources:
        found = missing[0] if missing else root / _PHOTOS[0]
        raise AdaptError(f"Expected MNIST and BSDS500 under {root}, found nothing at {found}. {INSTRUCTIONS}")
    photos = [_read_photo(p) for p in sources]
    arrays: dict[str, NDArray[np.generic]] = {}
    for seed, part in enumerate(("train", "test")):
        digits = MNIST(str(root), train=part == "train")
        arrays[f"{part}_x"] = blend(digits.data.numpy(), photos, seed, f"MNIST-M {part}")
        arrays[f"{part}_y"] = digits.targets.numpy()
    path.parent.mkdir(parents=True, exist_ok=True)
    mark = _mark([*sources, *(root / "MNIST" / "raw" / name for name in _MNIST_FILES)])
    # A run that reads while another writes must find the whole file or none.
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("wb") as file:
            np.savez(file, mark=np.array(mark), **arrays)  # type: ignore[arg-type]  # stubs see allow_pickle here
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return path


def _mark(ingredients: list[Path]) -> str:
    # Names and sizes, not contents: it is asked on every load.
    facts = [_RECIPE, *(f"{path.name}:{path.stat().st_size}" for path in ingredients)]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()


def _made_from(path: Path) -> str | None:
    try:
        with np.load(path) as file:
            return str(file["mark"]) if all(name in file.files for name in _ARRAYS) else None
    except _UNREADABLE:
        return None


def _cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "adapt"


def _writable(folder: Path) -> bool:
    # Mode bits first: a data root marked read-only stays untouched, though an administrator could write to it.
    # Then a trial, since a read-only mount does not show in them.
    present = next(path for path in (folder, *folder.parents) if path.exists())
    if not present.stat().st_mode & 0o222:
        return False
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _photo_paths(root: Path) -> list[Path]:
    for folder in _PHOTOS:
        found = sorted((root / folder).glob("*.jpg"))
        if found:
            return found
    return []


def _read_photo(path: Path) -> Bytes:
    try:
        with Image.open(path) as image:
            photo: Bytes = np.asarray(image.convert("RGB"))
    except OSError as error:
        raise AdaptError(
            f"Expected a photograph at {path}, could not decode it ({error}). Download it again."
        ) from error
    if min(photo.shape[:2]) < _SIZE:
        raise AdaptError(f"Expected photographs of at least {_SIZE} pixels a side, found {photo.shape[:2]} at {path}.")
    return photo


def _read_published(folder: Path, part: str) -> TensorDomain:
    labels = folder / f"mnist_m_{part}_labels.txt"
    images, targets = [], []
    for number, line in enumerate(labels.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            name, label = line.split()
            targets.append(int(label))
        except ValueError:
            raise AdaptError(f"Expected 'name label' in {labels}, found {line!r} in line {number}.") from None
        images.append(_read_photo(folder / f"mnist_m_{part}" / name))
    if len({image.shape for image in images}) != 1:
        raise AdaptError(f"Expected images of one size in {folder / f'mnist_m_{part}'}, found several, or none at all.")
    return TensorDomain(torch.from_numpy(np.stack(images).transpose(0, 3, 1, 2)), torch.tensor(targets))


def _preview(images: Bytes, picture: Path) -> None:
    side = int(min(len(images), 64) ** 0.5)
    height, width = images.shape[2:]
    grid = images[: side * side].reshape(side, side, 3, height, width).transpose(0, 3, 1, 4, 2)
    Image.fromarray(np.ascontiguousarray(grid).reshape(side * height, side * width, 3)).save(picture)


def main(arguments: list[str] | None = None) -> None:
    """`python -m adapt.data.mnist_m`: generate MNIST-M, and say where it lies."""
    parser = argparse.ArgumentParser(prog="python -m adapt.data.mnist_m", description="Make MNIST-M.")
    parser.add_argument("--root", type=Path, default=data_root())
    parser.add_argument("--out", type=Path, help="the file to write (.npz); by default where adapt looks for it")
    parser.add_argument("--preview", type=Path, help="a picture of the first 64 images")
    options = parser.parse_args(arguments)
    try:
        path = generate(options.root, options.out) if options.out else ensure(options.root)
    except AdaptError as error:
        sys.exit(str(error))
    print(f"MNIST-M lies in {path}")
    if options.preview:
        _preview(np.load(path)["train_x"] if path.is_file() else load(options.root, True).x.numpy(), options.preview)
        print(f"Its first images are drawn in {options.preview}")


if __name__ == "__main__":
    main()
