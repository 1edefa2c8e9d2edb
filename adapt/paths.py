"""The folder of data and weights."""

import os
from pathlib import Path


def data_root(root: str | Path | None = None) -> Path:
    """The given folder, otherwise the environment variable `ADAPT_DATA`, otherwise `data`."""
    return Path(root or os.environ.get("ADAPT_DATA", "data"))


def cache_folder() -> Path:
    """The user's folder for what can be made again: `adapt` in `XDG_CACHE_HOME` or `~/.cache`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "adapt"
