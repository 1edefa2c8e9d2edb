"""The folder of data and weights, and that of a person's own modules."""

import os
import sys
import sysconfig
from importlib.machinery import PathFinder
from pathlib import Path


def data_root(root: str | Path | None = None) -> Path:
    """The given folder, otherwise the environment variable `ADAPT_DATA`, otherwise `data`."""
    return Path(root or os.environ.get("ADAPT_DATA", "data")).expanduser()


def from_home(word: str) -> str:
    """A word of a command with `~/` as the home folder: a shell does that in `--root ~/data`, not in `--root=~/data`.

    Args:
        word: An option with its value behind `=`, or a value.
    """
    option, sign, value = word.partition("=") if word.startswith("--") else ("", "", word)
    return f"{option}{sign}{Path(value).expanduser()}" if value == "~" or value.startswith("~/") else word


def cache_folder() -> Path:
    """The user's folder for what can be made again: `adapt` in `XDG_CACHE_HOME` or `~/.cache`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "adapt"


def make_importable(folder: str | Path) -> None:
    """Let modules of a folder be imported: before installed packages, but behind Python's own library.

    A `queue.py` or `statistics.py` that happens to lie there would else take the place of Python's module, for torch
    too.

    Args:
        folder: The folder. Its absolute path is kept, because the parser changes the working directory while it reads a
            configuration elsewhere.
    """
    here = str(Path(folder).resolve())
    if here in sys.path:
        return
    library = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib")}
    library |= {str(Path(path, "lib-dynload")) for path in library}
    last = max((place for place, entry in enumerate(sys.path) if entry in library), default=-1)
    sys.path.insert(last + 1, here)


def hiding(folder: str | Path) -> list[Path]:
    """Files of a folder that are imported in place of an installed library of the same name."""
    here = Path(folder).resolve()
    installed = [path for name in ("purelib", "platlib") if (path := sysconfig.get_path(name))]
    packages = (path.parent for path in here.glob("*/__init__.py"))
    names = {path.stem: path for path in [*here.glob("*.py"), *packages] if path.stem.isidentifier()}
    return [path for name, path in sorted(names.items()) if _in(here, name, sys.path) and _in(None, name, installed)]


def _in(folder: Path | None, name: str, path: list[str]) -> bool:
    """Whether a module is found, and in that folder where one is given."""
    spec = PathFinder.find_spec(name, path)
    if spec is None or spec.origin is None:
        return False
    return folder is None or Path(spec.origin).resolve().is_relative_to(folder)
