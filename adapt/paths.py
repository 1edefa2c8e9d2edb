"""The folder of data and weights."""

import os
from pathlib import Path


def data_root(root: str | Path | None = None) -> Path:
    """The given folder, otherwise the environment variable `ADAPT_DATA`, otherwise `data`."""
    return Path(root or os.environ.get("ADAPT_DATA", "data"))
