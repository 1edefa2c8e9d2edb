"""Volumes and images of many channels on disk: NumPy, NIfTI and DICOM, as arrays of one shape."""

import os
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import interpolate

from adapt.data.images import is_hidden
from adapt.errors import AdaptError, SampleError
from adapt.extras import optional

ENDINGS = (".npy", ".nii", ".nii.gz", ".dcm")
"""Endings of the files that can be read; a folder of `.dcm` files is one volume."""

_MODES = {2: "bilinear", 3: "trilinear"}
_LEVELS = 256
_MOST_LAST = 4
# Of the median, from which on a slice is missing.
_GAP = 1.5
_PLACED = ("ImagePositionPatient", "ImageOrientationPatient")


def ending_of(path: Path) -> str:
    """A scan's ending in small letters, empty where it is none."""
    name = path.name.lower()
    return next((ending for ending in ENDINGS if name.endswith(ending)), "")


def scans_below(folder: Path, rank: int) -> list[Path]:
    """The scans below a folder, sorted: files, and for volumes folders of DICOM files.

    Args:
        folder: Searched at any depth, through links too; what is hidden is left out.
        rank: 3 for volumes, 2 for images.
    """
    found: list[Path] = []
    for place, inner, files in os.walk(folder, followlinks=True):
        inner[:] = sorted(name for name in inner if not is_hidden(name))
        kinds = [(Path(place, name), ending_of(Path(name))) for name in sorted(files) if not is_hidden(name)]
        if rank == 3 and any(ending == ".dcm" for _, ending in kinds):
            found.append(Path(place))
        found += [path for path, ending in kinds if ending and not (rank == 3 and ending == ".dcm")]
    return sorted(found)


def patient_of(inner: Path, pattern: str | None) -> str:
    """Whose a scan is, from its path below its class: the first folder, or the file's name without its ending.

    Args:
        inner: The path below the class.
        pattern: A regular expression that is searched in it; its first group, or the whole match, is the patient.

    Raises:
        AdaptError: The expression does not occur in it.

    Examples:
        >>> patient_of(Path("p7/2021/scan.npy"), None), patient_of(Path("p7.nii.gz"), None)
        ('p7', 'p7')
        >>> patient_of(Path("p7_left.npy"), "^(p[0-9]+)_")
        'p7'
    """
    if pattern is None:
        return inner.parts[0].removesuffix(ending_of(inner)) if len(inner.parts) == 1 else inner.parts[0]
    found = re.search(pattern, inner.as_posix())
    if found is None:
        raise AdaptError(f"Expected each path to hold the patient_pattern {pattern!r}, found {inner.as_posix()!r}.")
    return found[1] if found.groups() else found[0]


def read_scan(path: Path, rank: int) -> NDArray[np.float32]:
    """A scan `(channels, depth, height, width)`, or `(channels, height, width)`, as its values are.

    NumPy files are read as they are, with or without an axis of channels: the first, or the last (`with_channels`).
    NIfTI files are turned to their nearest axes (right, anterior, superior), read as depth, height and width from their
    third to their first axis; a fourth one is the channels. DICOM slices are sorted along the series' normal, and
    rescaled as their headers say; where these say that low values are bright (MONOCHROME1), they are turned around, so
    that bright is high in every scan.

    Args:
        path: A file, or the folder of a DICOM series.
        rank: 3 for volumes, 2 for images.

    Raises:
        AdaptError: It is not there, or the package that reads it is missing.
        SampleError: It cannot be read, or has another number of axes.
    """
    ending = ".dcm" if path.is_dir() else ending_of(path)
    if not ending:
        raise AdaptError(f"Expected a scan ({', '.join(ENDINGS)}) or a folder of DICOM files, found {path}.")
    if not path.exists():
        raise AdaptError(f"Expected a scan at {path}, found nothing there.")
    try:
        if ending == ".npy":
            values = np.load(path, allow_pickle=False)
        elif ending == ".dcm":
            values = _read_dicom(path)
        else:
            values = _read_nifti(path)
    except AdaptError:
        raise
    except Exception as error:  # every format has errors of its own
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise SampleError(f"Expected a scan at {path}, could not read it ({reason}).") from error
    return with_channels(values, rank, str(path), told=ending != ".npy")


def with_channels(values: Any, rank: int, where: str, told: bool = False) -> NDArray[np.float32]:
    """An array of a scan with its channels first.

    They may also stand last where there are at most four and every other axis is longer, as in pictures, or where all
    other axes are as long as each other, and longer.

    Args:
        values: The array.
        rank: 3 for volumes, 2 for images.
        where: Whose it is, for the message.
        told: Whether the file's format says what its axes are.

    Raises:
        SampleError: It has another number of axes, or values that are not finite.

    Warns:
        UserWarning: The first axis is taken for the channels, and is no shorter than the last one.
    """
    found = np.asarray(values)
    if found.ndim == rank + 1 and rank == 2 and 1 in found.shape[:1]:
        found = found[0]
    found = found[None] if found.ndim == rank else found
    if found.ndim == rank + 1 and found.size:
        *sides, last = found.shape
        if last <= _MOST_LAST < min(sides) or (not told and len(set(sides)) == 1 and last < sides[0]):
            found = np.moveaxis(found, -1, 0)
        elif not told and sides[0] >= last > 1 and len({*sides[1:], last}) > 1:
            # Of even pictures behind many channels, such as 200 of 9 × 9, nothing is to be said.
            warnings.warn(
                f"Takes scans {found.shape} for {sides[0]} channels of {' × '.join(map(str, found.shape[1:]))}. Where "
                "the channels stand last, put them first: numpy.moveaxis(x, -1, 0).",
                stacklevel=2,
            )
    if found.ndim != rank + 1 or found.dtype.kind not in "fiub" or not found.size:
        axes = "(depth, height, width)" if rank == 3 else "(height, width)"
        raise SampleError(
            f"Expected numbers {axes} in {where}, or the same after an axis of channels, found {found.dtype} "
            f"{np.asarray(values).shape}. --data.shape has {rank} numbers: give as many as a scan has axes."
        )
    found = found.astype(np.float32)
    if not np.isfinite(found).all():
        raise SampleError(f"Expected finite values in {where}, found NaN or infinity. Mend the file, or leave it out.")
    return found


def windowed(values: NDArray[np.float32], level: float, width: float) -> NDArray[np.float32]:
    """Values from `level − width/2` to `level + width/2` as 0 to 1; what is beyond is cut off.

    Examples:
        >>> windowed(np.array([-1000.0, -160.0, 40.0, 240.0], dtype=np.float32), 40, 400).tolist()
        [0.0, 0.0, 0.5, 1.0]
    """
    return np.asarray(np.clip((values - (level - width / 2)) / width, 0, 1), dtype=np.float32)


def between_percentiles(values: NDArray[np.float32], low: float, high: float) -> NDArray[np.float32]:
    """Each channel's values between two of its own percentiles as 0 to 1; what is beyond is cut off."""
    bounds = np.percentile(values.reshape(len(values), -1), [low, high], axis=1)
    first, last = (bound.reshape(-1, *[1] * (values.ndim - 1)) for bound in bounds)
    return np.asarray(np.clip((values - first) / np.maximum(last - first, 1e-12), 0, 1), dtype=np.float32)


def resampled(values: NDArray[np.float32], shape: Sequence[int]) -> NDArray[np.float32]:
    """A scan `(channels, ...)` with another number of values along each axis.

    Means of the values under each new one where every axis becomes shorter, linear between them otherwise.
    """
    if values.shape[1:] == tuple(shape):
        return values
    x = torch.from_numpy(np.ascontiguousarray(values))[None]
    if all(new <= old for new, old in zip(shape, values.shape[1:], strict=True)):
        found = interpolate(x, size=tuple(shape), mode="area")
    else:
        found = interpolate(x, size=tuple(shape), mode=_MODES[len(shape)], align_corners=False)
    return np.asarray(found[0].numpy())


def levels_of(scans: NDArray[np.float32]) -> NDArray[np.float32]:
    """Quantiles of each channel `(channels, 256)` of scans `(N, channels, ...)`, all together."""
    rows = np.moveaxis(scans, 1, 0).reshape(scans.shape[1], -1)
    return np.quantile(rows, np.linspace(0, 1, _LEVELS), axis=1).T.astype(np.float32)


def matched(values: NDArray[np.float32], levels: NDArray[np.float32]) -> NDArray[np.float32]:
    """A scan `(channels, ...)` whose histogram is that of some quantiles, by scikit-image's `match_histograms`.

    Raises:
        AdaptError: Scikit-image is missing.
    """
    exposure = optional("skimage.exposure", "scikit-image", "medical", "Histogram matching")
    shape = (-1, *[1] * (values.ndim - 2))
    found = [exposure.match_histograms(part, row.reshape(shape)) for part, row in zip(values, levels, strict=True)]
    return np.stack(found).astype(np.float32)


def _read_nifti(path: Path) -> NDArray[np.float32]:
    nibabel = optional("nibabel", "nibabel", "medical", "A NIfTI file")
    file = nibabel.as_closest_canonical(nibabel.load(path))
    values = np.asarray(file.get_fdata(dtype=np.float32))
    # From (x, y, z, channels), as NIfTI has them, to (channels, z, y, x).
    return values.transpose()


def _read_dicom(path: Path) -> NDArray[np.float32]:
    pydicom = optional("pydicom", "pydicom", "medical", "A DICOM file")
    files = [path] if path.is_file() else sorted(each for each in path.iterdir() if ending_of(each) == ".dcm")
    slices = [pydicom.dcmread(file) for file in files]
    series = {str(part.get("SeriesInstanceUID", "")) for part in slices}
    if len(series) > 1:
        raise SampleError(
            f"Expected one DICOM series in {path}, found {len(series)}. Put each into a folder of its own."
        )
    slices.sort(key=_along_normal)
    known = all(part.get(name) is not None for part in slices for name in _PLACED)
    places = [_along_normal(part)[0] for part in slices] if known else []
    if (twice := next((place for place in places if places.count(place) > 1), None)) is not None:
        raise SampleError(
            f"Expected each place of a DICOM series once in {path}, found several slices at {twice:g}. Put each time "
            "or echo into a folder of its own, or remove the copies."
        )
    steps = np.diff(places)
    if len(steps) > 1 and (gaps := np.flatnonzero(steps > _GAP * np.median(steps))).size:
        at = int(gaps[0])
        warnings.warn(
            f"{path}: {len(gaps)} of {len(steps)} gaps between slices are larger than the usual "
            f"{np.median(steps):g} mm, the first one {steps[at]:g} mm after {places[at]:g}. Slices are missing, or "
            "these are two series.",
            stacklevel=2,
        )
    values = [_rescaled(part) for part in slices]
    if len({part.shape for part in values}) > 1:
        raise SampleError(f"Expected slices of one size in {path}, found {sorted({part.shape for part in values})}.")
    if path.is_file() or len(values) == 1:
        return values[0]
    return np.stack(values, 1) if values[0].ndim == 3 else np.stack(values)


def _along_normal(part: Any) -> tuple[float, int]:
    number = int(part.get("InstanceNumber") or 0)
    position, turned = (part.get(name) for name in _PLACED)
    if position is None or turned is None:
        return (0.0, number)
    axes = np.array(turned, dtype=float)
    return (float(np.cross(axes[:3], axes[3:]) @ np.array(position, dtype=float)), number)


def _rescaled(part: Any) -> NDArray[np.float32]:
    values = part.pixel_array.astype(np.float32)
    if str(part.get("PhotometricInterpretation", "")) == "MONOCHROME1":
        # Bits that are stored, of which the highest one may be a sign: the ends change places.
        values = (-1 if int(part.get("PixelRepresentation") or 0) else 2.0 ** int(part.BitsStored) - 1) - values
    values = values * float(part.get("RescaleSlope") or 1) + float(part.get("RescaleIntercept") or 0)
    # Colours stand last in a DICOM file.
    return np.moveaxis(values, -1, 0) if int(part.get("SamplesPerPixel") or 1) > 1 else values
