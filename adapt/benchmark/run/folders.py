"""A cell's folder before it runs: empty but for its configuration, and nobody else's."""

import shutil

from adapt.benchmark.plan.plan import Cell
from adapt.benchmark.vocabulary import CELL_FILE
from adapt.errors import AdaptError
from adapt.files import write_atomically
from adapt.yaml_files import to_yaml


def prepare(cell: Cell) -> None:
    """An empty folder with the cell's configuration; what an unfinished run left there goes.

    Raises:
        AdaptError: The folder holds files that no grid wrote.
    """
    refuse_foreign(cell)
    cell.directory.mkdir(parents=True, exist_ok=True)
    # The configuration stays to the last: a grid killed in between still finds a folder that it knows as its own.
    for path in cell.directory.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != CELL_FILE:
            path.unlink()
    write_atomically(cell.directory / CELL_FILE, to_yaml(cell.config))


def refuse_foreign(cell: Cell) -> None:
    """Refuse a folder with files that no grid wrote.

    Raises:
        AdaptError: It is one, or a file lies where a folder should be.
    """
    directory = cell.directory
    for part in (directory, *list(directory.parents)[:2]):
        if part.exists() and not part.is_dir():
            raise AdaptError(f"Expected a folder at {part}, found a file; move it or choose another --out.")
    names = {path.name for path in directory.iterdir()} if directory.is_dir() else set()
    if CELL_FILE not in names and any(not name.startswith(f".{CELL_FILE}.") for name in names):
        raise AdaptError(
            f"{directory} holds files that no grid wrote (no {CELL_FILE}); move them or choose another --out."
        )
