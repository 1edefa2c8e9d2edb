"""MNIST-M: read as its authors distribute it, or made from MNIST and BSDS500 as the published images are.

Two domains: `mnist_m` is the published recipe, `mnist_m_gray` a formula that is often taken for it.
"""

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
from adapt.paths import cache_folder, data_root

Bytes = NDArray[np.uint8]

INSTRUCTIONS = (
    "Unpack the authors' mnist_m archive to <root>/mnist_m (mnist_m_train/, mnist_m_train_labels.txt, ...), or put "
    "BSDS500's photographs into <root>/bsds500/train (or <root>/BSR/BSDS500/data/images/train, as its archive has "
    "them) beside MNIST in <root>/MNIST/raw, from which it is made."
)
_SIDE = 32  # of a published image; the digit, 28 pixels high, lies in its middle
_LABELS = tuple("0123456789")
_PHOTOS = (Path("bsds500/train"), Path("BSR/BSDS500/data/images/train"))
_MNIST_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
_ARRAYS = ("train_x", "train_y", "test_x", "test_y")
# What a generated file was made by; a change of what `blend` draws has to change it.
_RECIPES = {"mnist_m": "2 inverted strokes in 32x32", "mnist_m_gray": "1 gray difference in 28x28"}
_UNREADABLE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)


def blend(digits: Bytes, photos: list[Bytes], seed: int, gray: bool = False, message: str = "MNIST-M") -> Bytes:
    """Each digit on a random crop of a random photograph, as in the published images or as in the paper's formula.

    Paper: Ganin et al., Domain-Adversarial Training of Neural Networks, JMLR 2016, §5.2.4
    (https://jmlr.org/papers/v17/15-239.html).

    The paper writes |photo − digit| per channel. The images that its authors distribute are that of the *binarised*
    digit: wherever the digit is above 0 the photograph is inverted, 255 − photo, and elsewhere it is untouched. They
    are 32×32 with the 28×28 digit in the middle. `gray` takes the formula at its word, with the digit's gray values and
    without a margin: a stroke's soft edge is then a step towards gray and no inversion. Other images, an easier task.

    Args:
        digits: `(N, 28, 28)`.
        photos: Photographs `(H, W, 3)`, each at least as large as an image.
        seed: Seed of photographs and crops.
        gray: The gray difference instead of the published recipe.
        message: Title of the progress bar.

    Returns:
        Images `(N, 3, 32, 32)`; `(N, 3, 28, 28)` for `gray`.

    Raises:
        AdaptError: A photograph is smaller than an image.
    """
    if not gray:
        margin = (_SIDE - digits.shape[1]) // 2
        # After this the formula below is the published one: |photo − 255| is the inverted photograph.
        digits = np.pad(np.where(digits > 0, 255, 0).astype(np.uint8), ((0, 0), (margin, margin), (margin, margin)))
    smallest = min(min(photo.shape[:2]) for photo in photos)
    if smallest < digits.shape[1]:
        raise AdaptError(f"Expected photographs of at least {digits.shape[1]} pixels a side, found one of {smallest}.")
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


def load(root: Path, train: bool, domain: str = "mnist_m") -> TensorDomain:
    """The training or the test set: the published files if they lie under `root`, else the generated ones.

    Args:
        root: The data root.
        train: The training set, else the test set.
        domain: `mnist_m`, or `mnist_m_gray`, which nobody published.

    Raises:
        AdaptError: Neither the published files nor what to make them from lies there, or one of them is corrupt.
    """
    part = "train" if train else "test"
    path = ensure(root, domain)
    if path.is_dir():
        return _read_published(path, part)
    with np.load(path) as file:
        return TensorDomain(torch.from_numpy(file[f"{part}_x"]), torch.from_numpy(file[f"{part}_y"]))


def ensure(root: Path, domain: str = "mnist_m") -> Path:
    """Where the images lie: the published folder, or the generated file, which is made if it is not there.

    The file is `<root>/mnist_m/adapt_<domain>.npz`, or below the user's cache folder where the root is read-only.
    A file that is corrupt, or was made by another recipe or from other photographs or digits, is made again.

    Args:
        root: The data root.
        domain: `mnist_m` or `mnist_m_gray`.

    Raises:
        AdaptError: Neither the published files nor what to make them from lies there.
    """
    folder = root / "mnist_m"
    if domain == "mnist_m" and any((folder / f"mnist_m_{part}_labels.txt").exists() for part in ("train", "test")):
        return folder
    ingredients = [*_photo_paths(root), *(root / "MNIST" / "raw" / name for name in _MNIST_FILES)]
    beside = folder / f"adapt_{domain}.npz"
    missing = [path for path in ingredients if not path.exists()]
    if missing or not _photo_paths(root):
        if (_made_from(beside) or "").startswith(_RECIPES[domain]):
            return beside
        lacking = missing[0] if missing else root / _PHOTOS[0]
        raise AdaptError(f"Expected MNIST-M under {folder}, found neither it nor {lacking}. {INSTRUCTIONS}")
    mark = _mark(domain, ingredients)
    cached = cache_folder() / f"{domain}_{mark[-12:]}.npz"
    for path in (beside, cached):
        if _made_from(path) == mark:
            return path
    for path in (beside, cached):
        if _writable(path.parent):
            return generate(root, path, domain)
    raise AdaptError(
        f"Expected to write MNIST-M (215 MB) to {beside} or {cached}, but may write to neither. "
        "Set XDG_CACHE_HOME to a folder that you may write to."
    )


def generate(root: Path, path: Path, domain: str = "mnist_m") -> Path:
    """Make both sets from MNIST and BSDS500 below `root`, and write them to `path` in one step.

    Args:
        root: The data root.
        path: The file to write: 215 MB, `mnist_m_gray` 165 MB.
        domain: `mnist_m` or `mnist_m_gray`.

    Raises:
        AdaptError: MNIST or the photographs are not there, or a photograph is broken or too small.
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
        arrays[f"{part}_x"] = blend(digits.data.numpy(), photos, seed, domain == "mnist_m_gray", f"MNIST-M {part}")
        arrays[f"{part}_y"] = digits.targets.numpy()
    path.parent.mkdir(parents=True, exist_ok=True)
    mark = _mark(domain, [*sources, *(root / "MNIST" / "raw" / name for name in _MNIST_FILES)])
    # A run that reads while another writes must find the whole file or none.
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("wb") as file:
            np.savez(file, mark=np.array(mark), **arrays)  # type: ignore[arg-type]  # stubs see allow_pickle here
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return path


def _mark(domain: str, ingredients: list[Path]) -> str:
    # Names and sizes, not contents: it is asked on every load.
    facts = "\n".join(f"{path.name}:{path.stat().st_size}" for path in ingredients)
    return f"{_RECIPES[domain]}, {hashlib.sha256(facts.encode()).hexdigest()}"


def _made_from(path: Path) -> str | None:
    try:
        with np.load(path) as file:
            return str(file["mark"]) if all(name in file.files for name in _ARRAYS) else None
    except _UNREADABLE:
        return None


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
    return photo


def _read_published(folder: Path, part: str) -> TensorDomain:
    labels = folder / f"mnist_m_{part}_labels.txt"
    if not labels.exists():
        raise AdaptError(f"Expected {labels} beside the other set's labels, found nothing there. {INSTRUCTIONS}")
    images, targets = [], []
    for number, line in enumerate(labels.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        name, _, label = line.strip().partition(" ")
        if label.strip() not in _LABELS:
            raise AdaptError(
                f"Expected 'name label' in {labels}, with a label from 0 to 9, found {line!r} in line {number}."
            )
        targets.append(int(label))
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
    parser.add_argument("--domain", choices=_RECIPES, default="mnist_m", help="the published recipe, or the gray one")
    parser.add_argument("--root", type=Path, default=data_root())
    parser.add_argument("--out", type=Path, help="the file to write (.npz); by default where adapt looks for it")
    parser.add_argument("--preview", type=Path, help="a picture of the first 64 images")
    options = parser.parse_args(arguments)
    try:
        path = (
            generate(options.root, options.out, options.domain) if options.out else ensure(options.root, options.domain)
        )
    except AdaptError as error:
        sys.exit(str(error))
    print(f"MNIST-M lies in {path}")
    if options.preview:
        _preview(np.load(path)["train_x"] if path.is_file() else load(options.root, True).x.numpy(), options.preview)
        print(f"Its first images are drawn in {options.preview}")


if __name__ == "__main__":
    main()
