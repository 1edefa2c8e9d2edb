"""What every picture shares: colours that colour-blind readers can tell apart, and how a figure becomes a file."""

import io
import warnings
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from PIL import Image

SOURCE_COLOUR, TARGET_COLOUR = "#0072b2", "#d55e00"
UNLABELLED_COLOUR = "#9e9e9e"
INK, FAINT = "#222222", "#d9d9d9"
DPI = 130


def class_colours(count: int) -> list[str]:
    """One colour per class: the ten of `tab10` while they suffice, then `tab20`, then evenly spaced hues."""
    if count <= 10:
        return [to_hex(colormaps["tab10"](k)) for k in range(count)]
    if count <= 20:
        return [to_hex(colormaps["tab20"](k)) for k in range(count)]
    return [to_hex(colormaps["hsv"](x)) for x in np.linspace(0.0, 1.0, count, endpoint=False)]


def new_figure(width: float, height: float) -> Figure:
    """An empty figure in inches, outside pyplot's global state, which callers could disturb."""
    return Figure(figsize=(width, height), dpi=DPI, layout="constrained", facecolor="white")


def png_bytes(figure: Figure) -> bytes:
    """The figure as a PNG with a palette of 256 colours, about a third of the size of true colour."""
    raw = io.BytesIO()
    # Saving would draw everything twice, the first time for the layout alone.
    with warnings.catch_warnings():
        # A name may be in letters that the font does not have; it stands in the tables.
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from", UserWarning)
        if (engine := figure.get_layout_engine()) is not None:
            engine.execute(figure)
            figure.set_layout_engine("none")
        figure.savefig(raw, format="png", facecolor="white")
    raw.seek(0)
    small = io.BytesIO()
    with Image.open(raw) as image:
        # Pillow's default, median cut, gives a legend's few pixels another colour where thousands are half transparent.
        palette = image.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE)
        palette.save(small, format="PNG", optimize=True)
    return small.getvalue()


def save_png(figure: Figure, path: Path) -> Path:
    """Write the figure, creating the folder, and return the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png_bytes(figure))
    return path
