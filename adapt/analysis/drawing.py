"""Shared parts of all pictures: colours that colour-blind readers can tell apart, and writing figures to files."""

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from PIL import Image
from PIL.PngImagePlugin import PngInfo

SOURCE_COLOUR, TARGET_COLOUR = "#0072b2", "#d55e00"
UNLABELLED_COLOUR = "#9e9e9e"
INK, FAINT = "#222222", "#d9d9d9"
DPI = 130
_NOTE = "adapt"
_MANY_COLOURS = 4096
# Six of eight bits; black stays black and white stays white.
_FEWER_SHADES = [shade & 0xFC | shade >> 6 for shade in range(256)]


def class_colours(count: int) -> list[str]:
    """One colour per class: `tab10` for up to ten classes, then `tab20`, then evenly spaced hues."""
    if count <= 10:
        return [to_hex(colormaps["tab10"](k)) for k in range(count)]
    if count <= 20:
        return [to_hex(colormaps["tab20"](k)) for k in range(count)]
    return [to_hex(colormaps["hsv"](x)) for x in np.linspace(0.0, 1.0, count, endpoint=False)]


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, size in inches, outside pyplot's global state, which callers could change."""
    return Figure(figsize=(width, height), dpi=DPI, layout="constrained", facecolor="white")


def png_bytes(figure: Figure, note: str | None = None) -> bytes:
    """The figure as a PNG with a palette of 256 colours, about a third of the size of true colour.

    Args:
        figure: What is drawn.
        note: A text that the file keeps, see `note_of`.
    """
    figure.set_facecolor("white")
    canvas: Any = FigureCanvasAgg(figure)  # its methods have no types
    with warnings.catch_warnings():
        # A name may have letters that the font lacks; the tables show it.
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from", UserWarning)
        # `savefig` would draw everything twice, the first time only for the layout, and compress it once more.
        if (engine := figure.get_layout_engine()) is not None:
            engine.execute(figure)
            figure.set_layout_engine("none")
        canvas.draw()
    small = io.BytesIO()
    image = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
    if image.getcolors(_MANY_COLOURS) is None:
        # Thousands of transparent points: choosing the palette takes ten times as long as drawing them.
        image = image.point(_FEWER_SHADES * len(image.getbands()))
    # Pillow's default, median cut, changes the colours of a legend's few pixels if thousands of pixels are transparent.
    palette = image.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    texts = PngInfo()
    if note is not None:
        texts.add_text(_NOTE, note)
    palette.save(small, format="PNG", pnginfo=texts)  # `optimize` takes six times as long, for 3 % of the size
    return small.getvalue()


def save_png(figure: Figure, path: Path, note: str | None = None) -> Path:
    """Write the figure, creating the folder, and return the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png_bytes(figure, note))
    return path


def note_of(path: Path) -> str | None:
    """The note of a picture that `save_png` wrote; None where there is no such file, or none in it."""
    try:
        with Image.open(path) as image:
            note: str | None = image.info.get(_NOTE)
            return note
    except (OSError, ValueError, SyntaxError):  # Pillow's answers to a broken file
        return None
