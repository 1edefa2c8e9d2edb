"""Pictures on disk: which files of a folder are some, and every one of them as eight bits of red, green and blue."""

import contextlib
import os
import stat
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from adapt.errors import AdaptError, SampleError

# Pillow knows their names, but has no decoder of its own for them; for EPS it would start another program.
_UNDECODED = {"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"}
# What systems leave beside files; some of it is small copies of the pictures.
_JUNK = {"__macosx", "@eadir", "$recycle.bin", "lost+found", "thumbs.db", "desktop.ini"}
# A line of pixels whose shorter side is enlarged would fill the memory.
_LONGEST = 200
_SHOWN = 5
_BITS_PER_SAMPLE = 258


class UnreadableImageError(SampleError):
    """An image that cannot be decoded, or not without a loss that nobody would notice."""


@cache
def readable_endings() -> dict[str, str]:
    """The file endings, in small letters and with their dot, that Pillow decodes, and the format of each."""
    known = Image.registered_extensions().items()
    return {ending: kind for ending, kind in known if kind in Image.OPEN and kind not in _UNDECODED}


def is_hidden(name: str) -> bool:
    """Whether a file or folder is none of the user's own: its name starts with a dot, or a system made it."""
    return name.startswith(".") or name.casefold() in _JUNK


def open_image(path: Path, what: str = "an image") -> Image.Image:
    """A picture as `RGB`, upright, the first frame where there are several.

    The camera's orientation (EXIF) is applied, what is transparent is laid over white, and deeper pixels become eight
    bits: 16-bit values divided by 257, floats in [0, 1] times 255.

    Args:
        path: The file.
        what: What is expected there, for the message.

    Raises:
        UnreadableImageError: No picture is there, it is broken, larger than `PIL.Image.MAX_IMAGE_PIXELS`, more than 200
            times as long as wide, or its values have another range.
    """
    try:
        # A pipe would wait for ever, a device never end.
        if not stat.S_ISREG(path.stat().st_mode):
            raise OSError("no regular file")
        with warnings.catch_warnings():
            # From here on a few bytes would become hundreds of megabytes.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            file = Image.open(path, formats=sorted(set(readable_endings().values())))
        with file:
            if max(file.size) > _LONGEST * min(file.size):
                raise ValueError(f"{file.width}×{file.height} pixels are a line")
            # First, because loading a TIFF turns it.
            file.load()
            _turn_upright(file)
            return _eight_bits(file)
    # Each format has its own idea of what a broken file raises; what a person needs is the path.
    except Exception as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise UnreadableImageError(
            f"Expected {what} at {path}, could not decode it ({reason}). Replace or remove it."
        ) from error


def as_picture(value: Any) -> Image.Image:
    """A picture that a person has in Python as `open_image` gives one: Pillow's, a path, or bytes in an array.

    Args:
        value: A Pillow image, a path, or bytes `(H, W, 3)`, `(H, W, 4)`, `(3, H, W)` or `(H, W)` as an array or tensor.

    Raises:
        SampleError: It is none of these.
    """
    if isinstance(value, str | os.PathLike):
        return open_image(Path(value))
    if isinstance(value, Image.Image):
        try:
            return _eight_bits(ImageOps.exif_transpose(value) if value.getexif() else value)
        except (ValueError, OSError) as error:  # such as floats that are not in [0, 1], or a file that was closed
            raise SampleError(
                f"Expected a picture that can be read, found one of mode {value.mode!r}: {error}."
            ) from error
    array = np.asarray(value)
    if array.ndim == 3 and array.shape[0] in (1, 3) and array.shape[2] not in (1, 3):
        array = array.transpose(1, 2, 0)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.dtype != np.uint8 or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))):
        raise SampleError(
            f"Expected a picture: Pillow's, a path, or bytes (uint8) of shape (H, W, 3), found {array.dtype} "
            f"{array.shape}. Floats in [0, 1] become bytes by (255 * x).round().astype('uint8')."
        )
    return _eight_bits(Image.fromarray(np.ascontiguousarray(array)))


def is_one_picture(value: Any) -> bool:
    """Whether a value is a picture by itself, and no list or batch of some."""
    shape = tuple(getattr(value, "shape", ()))
    return isinstance(value, Image.Image | str | os.PathLike) or (
        len(shape) == 3 and (shape[2] in (3, 4) or shape[0] == 3)
    )


def image_files(folder: Path) -> tuple[list[Path], list[Path]]:
    """The pictures below a folder, and the files that are none by their ending or kind, both in order.

    Links are followed, into each folder once. Hidden files and folders are left out, and are in neither list.

    Raises:
        AdaptError: A picture is a link to nothing, or a folder cannot be read.
    """
    # A link back to a folder that this one lies in would bring in what belongs to other classes.
    seen = {_identity(part) for part in folder.resolve().parents}
    images, others = [], []
    for entry in _entries(folder, seen):
        path = Path(entry.path)
        if path.suffix.lower() not in readable_endings():
            others.append(path)
        elif _holds(entry.is_file):
            images.append(path)
        elif not path.exists():
            raise AdaptError(f"Expected an image at {path}, found a link to nothing. Mend or remove it.")
        else:
            others.append(path)
    return sorted(images), sorted(others)


def warn_of_skipped(files: list[Path], folder: Path) -> None:
    """Say in one line which files are taken for no pictures, if there are any."""
    if files:
        named = ", ".join(str(path.relative_to(folder)) for path in files[:_SHOWN])
        more = ", ..." if len(files) > _SHOWN else ""
        warnings.warn(f"Left out {len(files)} files of {folder} that are no images: {named}{more}.", stacklevel=2)


def _entries(folder: Path, seen: set[tuple[int, int]]) -> Iterator[os.DirEntry[str]]:
    waiting = [str(folder)]
    while waiting:
        place = waiting.pop()
        if (identity := _identity(Path(place))) in seen:
            continue
        seen.add(identity)
        try:
            with os.scandir(place) as found:
                entries = sorted((entry for entry in found if not is_hidden(entry.name)), key=lambda entry: entry.name)
        except OSError as error:
            raise AdaptError(f"Expected a folder that can be read at {place}, found {error.strerror}.") from error
        yield from (entry for entry in entries if not _holds(entry.is_dir))
        waiting += [entry.path for entry in reversed(entries) if _holds(entry.is_dir)]


def _holds(asked: Callable[[], bool]) -> bool:
    # A link to itself is neither file nor folder, but an error.
    try:
        return asked()
    except OSError:
        return False


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def _turn_upright(image: Image.Image) -> None:
    # Where the note of how the camera was held is broken, the picture still is not.
    with contextlib.suppress(Exception):
        ImageOps.exif_transpose(image, in_place=True)


def _eight_bits(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM")):
        # TIFF has 12 bits too, which are not spread over 16.
        highest = (1 << getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE, (16,))[0]) - 1
        levels = np.asarray(image).astype(np.uint32) * 255 // highest
        return Image.fromarray(levels.astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        values = np.asarray(image)
        if not (values.min() >= 0 and values.max() <= 1):  # NaN is neither
            raise ValueError(f"floats from {values.min():.3g} to {values.max():.3g}, expected 0 to 1")
        return Image.fromarray((values * 255).round().astype(np.uint8)).convert("RGB")
    if image.mode == "I":
        raise ValueError("32-bit integers, expected 8 or 16 bits, or floats from 0 to 1")
    if image.has_transparency_data:
        seen = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", seen.size, "white"), seen).convert("RGB")
    return image.convert("RGB")
