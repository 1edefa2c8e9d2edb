"""What a picture of a report is, and what all of them share."""

import hashlib
import shutil
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from adapt import __version__
from adapt.analysis.drawing import INK, class_colours, note_of, save_png
from adapt.benchmark.statistics.estimates import Summary
from adapt.benchmark.vocabulary import SOURCE_ONLY, TARGET_LABELS
from adapt.measures import Measure
from adapt.names import slug


def curves_of(headline: Measure) -> tuple[str, str]:
    """The columns of a metrics file that hold the headline on the source and on the target."""
    return f"val/source_{headline.name}", f"oracle/target_{headline.name}"


def scale_of(measure: Measure) -> int:
    """What values are multiplied by in a picture: shares are shown in percent."""
    return 100 if measure.share else 1


_GREY = "#7f7f7f"
# A few colours in several strokes are told apart where as many shades as a large grid has methods are not.
_COLOURS = [colour for colour in class_colours(10) if colour != _GREY]
_MOST_STEM = 200
_LINES = ("-", "--", "-.", ":")


@dataclass(frozen=True)
class Picture:
    """A PNG of a report.

    Attributes:
        path: Where it lies.
        kind: `bars`, `curves`, `embedding` or `confusion`; other modules draw kinds of their own.
        task: The task that it shows, or `Average`.
        title: Heading in the page.
        alt: What a person who cannot see it should know.
    """

    path: Path
    kind: str
    task: str
    title: str
    alt: str


def method_styles(summary: Summary) -> dict[str, tuple[str, str]]:
    """Colour and line style per method: references in greys, the rest in colours, the same in every picture."""
    others = [m for m in summary.methods if summary.settings[m] not in (SOURCE_ONLY, TARGET_LABELS)]
    count = len(_COLOURS)
    styles = {m: (_COLOURS[k % count], _LINES[k // count % len(_LINES)]) for k, m in enumerate(others)}
    reference = {SOURCE_ONLY: (_GREY, "--"), TARGET_LABELS: (INK, ":")}
    return {method: styles.get(method) or reference[summary.settings[method]] for method in summary.methods}


def label(name: str, most: int = 28) -> str:
    """A name in a picture: short enough to leave it room, and not read as a formula or as hidden from legends."""
    text = "".join(c for c in " ".join(name.split()) if unicodedata.category(c) not in ("Cc", "Cf"))
    if len(text) > most:
        text = f"{text[: most - 9]}…{text[-8:]}"
    return text.replace("$", r"\$").replace("_", " _", 1) if text.startswith("_") else text.replace("$", r"\$")


def saved(figure: Figure, folder: Path, kind: str, task: str, name: str, title: str, alt: str) -> Picture:
    """Write a figure as the picture of that kind and name."""
    return Picture(save_png(figure, _place(folder, kind, task, name, title)), kind, task, title, alt)


def kept_or_saved(
    draw: Callable[[], Figure],
    content: Sequence[object],
    earlier: Path,
    folder: Path,
    kind: str,
    task: str,
    name: str,
    title: str,
    alt: str,
) -> Picture:
    """The picture of an earlier report where it shows the same, or else a new one.

    Args:
        draw: Draws it.
        content: Everything that the drawing depends on: arrays, and what `str` tells apart.
        earlier: Folder of the earlier report's pictures.
        folder: Where the picture goes.
        kind: As `Picture` has it.
        task: As `Picture` has it.
        name: What its file is called, after the kind.
        title: As `Picture` has it.
        alt: As `Picture` has it.
    """
    digest = hashlib.sha256(f"{__version__} {matplotlib.__version__}".encode())
    for part in content:
        digest.update(part.tobytes() + str(part.dtype).encode() if isinstance(part, np.ndarray) else str(part).encode())
        digest.update(b"\0")
    path, note = _place(folder, kind, task, name, title), digest.hexdigest()
    if note_of(earlier / path.name) == note:
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(earlier / path.name, path)
    else:
        save_png(draw(), path, note)
    return Picture(path, kind, task, title, alt)


def _place(folder: Path, kind: str, task: str, name: str, title: str) -> Path:
    stem = f"{kind}-{slug(name)}" if name else kind
    path = folder / f"{stem}.png"
    # A file system takes 255 bytes, and two pairs of task and method may make one name.
    if len(stem.encode()) > _MOST_STEM or path.exists():
        path = folder / f"{stem:.{_MOST_STEM // 4}}-{hashlib.sha256(f'{task} {title}'.encode()).hexdigest()[:8]}.png"
    return path
