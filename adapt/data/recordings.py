"""Windows out of long recordings, AdaTime's files, and a synthetic wrist."""

import math
import pickle
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from adapt.errors import AdaptError


class Series(NamedTuple):
    """The windows of one domain, or of one of its splits.

    Attributes:
        x: Windows `(N, channels, length)`, float32.
        y: Class indices `(N,)`, int64; −1 where a window has no label.
        group: Whose windows they are `(N,)`, such as subjects; no group is in two splits. None where nobody knows.
        recording: Which recording each window was cut from `(N,)`; None where the file holds windows.
    """

    x: NDArray[np.float32]
    y: NDArray[np.int64]
    group: NDArray[Any] | None = None
    recording: NDArray[Any] | None = None


def cut_windows(
    x: NDArray[Any],
    y: NDArray[Any] | None,
    recording: NDArray[Any],
    length: int,
    stride: int,
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """Windows of `length` steps, each within one recording, with the label that most of its steps have.

    A recording's steps follow one another; what is left at its end is dropped. Of labels that are equally frequent the
    smallest wins. A step without a label has −1, which counts as a label of its own.

    Args:
        x: Values of all recordings, one after the other `(T, channels)`.
        y: Class index of each step `(T,)`; None for none.
        recording: Name of each step's recording `(T,)`.
        length: Steps of a window.
        stride: Steps from one window's start to the next one's.

    Returns:
        Windows `(N, channels, length)`, their labels `(N,)`, −1 where there are none, and their first steps `(N,)`.

    Raises:
        AdaptError: Length or stride is below 1, or no recording is long enough.

    Examples:
        >>> import numpy as np
        >>> from adapt.data.recordings import cut_windows
        >>> x, who = np.arange(7.0)[:, None], np.array(["a", "a", "a", "a", "b", "b", "b"])
        >>> windows, labels, starts = cut_windows(x, np.array([0, 1, 1, 1, 2, 2, 2]), who, length=3, stride=1)
        >>> windows[:, 0].tolist(), labels.tolist()
        ([[0.0, 1.0, 2.0], [1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], [1, 1, 2])
    """
    if length < 1 or stride < 1:
        raise AdaptError(f"Expected a length and a stride of at least 1, found {length} and {stride}.")
    ends = np.append(np.flatnonzero(recording[1:] != recording[:-1]) + 1, len(recording))
    begins = np.insert(ends[:-1], 0, 0)
    parts = [np.arange(begin, end - length + 1, stride) for begin, end in zip(begins, ends, strict=True)]
    starts = np.concatenate(parts) if parts else np.empty(0, np.int64)
    if not len(starts):
        longest = int((ends - begins).max()) if len(recording) else 0
        raise AdaptError(
            f"Expected recordings of at least {length} steps, a window's length, found none longer than {longest}. "
            "Lower --data.length."
        )
    at = starts[:, None] + np.arange(length)
    windows = np.ascontiguousarray(x[at].transpose(0, 2, 1), dtype=np.float32)
    if y is None:
        return windows, np.full(len(starts), -1, np.int64), starts
    labels = y.astype(np.int64)
    classes = np.unique(labels)
    counts = np.stack([(labels[at] == k).sum(1) for k in classes], 1)
    return windows, classes[counts.argmax(1)], starts


def read_adatime(path: Path) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """One of AdaTime's files, `train_<id>.pt` or `test_<id>.pt`: a dict of `samples` and `labels`.

    They are pickles: nothing in them is run, and only tensors, arrays and plain values are read.

    Args:
        path: The file.

    Returns:
        Windows as the file has them `(N, ...)`, and labels `(N,)`.

    Raises:
        AdaptError: It cannot be read, or holds something else.
    """
    try:
        with torch.serialization.safe_globals(_arrays()):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        reason = str(error).strip().partition("\n")[0][:160]
        raise AdaptError(f"Expected a dict of samples and labels in {path}, could not read it ({reason}).") from error
    if not isinstance(content, dict) or not {"samples", "labels"} <= content.keys():
        keys = ", ".join(map(str, content)) if isinstance(content, dict) else type(content).__name__
        raise AdaptError(f"Expected a dict of samples and labels in {path}, found {keys[:100]}.")
    x, y = (np.asarray(content[name]) for name in ("samples", "labels"))
    if x.ndim not in (2, 3) or y.reshape(-1).shape != (len(x),):
        raise AdaptError(
            f"Expected samples (N, channels, length) and labels (N,) in {path}, found {x.shape}, {y.shape}."
        )
    return (x[:, None] if x.ndim == 2 else x).astype(np.float32), y.reshape(-1).astype(np.int64)


def channels_first(x: NDArray[Any], channels: int | None = None) -> NDArray[Any]:
    """Windows `(N, channels, length)`, turned where their last side is the channels'.

    Args:
        x: Windows with channels second or last.
        channels: Number of channels; None takes the shorter side for them.
    """
    wanted = channels if channels is not None else min(x.shape[1:])
    return x if x.shape[1] == wanted else np.ascontiguousarray(x.transpose(0, 2, 1))


def _arrays() -> list[Any]:
    # What NumPy's arrays are rebuilt by, in its old and new names: they call nothing that a file names.
    core = getattr(np, "_core", None) or np.core
    multiarray = core.multiarray
    kinds = {type(np.dtype(kind)) for kind in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")}
    old = [(multiarray._reconstruct, f"numpy.{name}.multiarray._reconstruct") for name in ("core", "_core")]
    return [*old, np.ndarray, np.dtype, *kinds]


SYNTHETIC = ("synthetic", "synthetic_turned")
SYNTHETIC_CLASSES = ("rest", "walk", "run", "wave")
_SUBJECTS, _EACH, _LENGTH, _RATE = 10, 24, 128, 50.0


@lru_cache(maxsize=2)
def synthetic_series(name: str) -> Series:
    """A synthetic accelerometer on a wrist; `synthetic_turned` has the sensor at another angle and other subjects.

    These are no measurements. Each of ten subjects rests, walks, runs and waves in windows of 128 steps at 50 Hz:
    gravity, a swing along one axis, and another at twice its frequency along a second, with the subject's own speed and
    strength, and noise. In `synthetic_turned` the sensor is turned by 50 degrees about an oblique axis, and its gain is
    a fifth larger. The same numbers every time.

    Args:
        name: `synthetic` or `synthetic_turned`.

    Returns:
        960 windows `(3, 128)`.
    """
    draw = np.random.default_rng(SYNTHETIC.index(name))
    time = np.arange(_LENGTH) / _RATE
    # Frequency in Hz, strength of the swing and of its double along x, y and z, in units of gravity.
    motions = [
        (0.4, (0.02, 0.02, 0.02), (0.01, 0.01, 0.01)),
        (1.0, (0.35, 0.10, 0.15), (0.10, 0.25, 0.05)),
        (1.5, (0.45, 0.15, 0.20), (0.15, 0.45, 0.10)),
        (1.2, (0.10, 0.15, 0.50), (0.05, 0.05, 0.20)),
    ]
    windows, labels, groups = [], [], []
    for subject in range(_SUBJECTS):
        speed, strength = draw.normal(1, 0.08), draw.normal(1, 0.12)
        gravity = np.array([0.2, 0.1, 0.97]) + 0.1 * draw.normal(size=3)
        for label, (frequency, swing, double) in enumerate(motions):
            for _ in range(_EACH):
                phase = draw.uniform(0, 2 * math.pi, 2)
                base = 2 * math.pi * frequency * speed * draw.normal(1, 0.03) * time
                first, second = np.sin(base + phase[0]), np.sin(2 * base + phase[1])
                moved = np.outer(swing, first) + np.outer(double, second)
                windows.append(gravity[:, None] + strength * moved + 0.12 * draw.normal(size=(3, _LENGTH)))
                labels.append(label)
                groups.append(subject + 1 if name == SYNTHETIC[0] else subject + 101)
    x = np.stack(windows)
    if name == SYNTHETIC[1]:
        x = 1.2 * np.einsum("ij,njt->nit", _turn((0.6, 0.64, 0.48), 50.0), x)
    return Series(x.astype(np.float32), np.array(labels), np.array([str(group) for group in groups]))


def _turn(axis: Sequence[float], degrees: float) -> NDArray[np.float64]:
    a, b, c = np.asarray(axis) / np.linalg.norm(axis)
    cross, angle = np.array([[0, -c, b], [c, 0, -a], [-b, a, 0]]), math.radians(degrees)
    turn: NDArray[np.float64] = np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross
    return turn
