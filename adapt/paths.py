"""Where data and weights lie."""

import os
from pathlib import Path


def data_root() -> Path:
    """The folder that the environment variable `ADAPT_DATA` names, or `data`."""
    return Path(os.environ.get("ADAPT_DATA", "data"))
