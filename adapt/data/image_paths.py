"""Paths of many files in little memory."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray


def name_below(path: Path, folder: Path) -> str:
    """A path as it is called below a folder, with slashes; the whole of one that lies elsewhere.

    Args:
        path: A file.
        folder: Where it may lie.

    Examples:
        >>> name_below(Path("/pets/cat/1.png"), Path("/pets")), name_below(Path("/shared/2.png"), Path("/pets"))
        ('cat/1.png', '/shared/2.png')
    """
    return (path.relative_to(folder) if path.is_relative_to(folder) else path.absolute()).as_posix()


class ImagePaths(Sequence[Path]):
    """Paths as the bytes of their names, one after the other: a `Path` takes five times as much.

    Args:
        folder: Where they lie.
        files: Their paths; one that lies elsewhere is kept whole.

    Examples:
        >>> paths = ImagePaths(Path("pets"), [Path("pets/cat/1.png"), Path("pets/dog/2.png"), Path("pets/dog/3.png")])
        >>> [path.as_posix() for path in paths.take([2, 0])]
        ['pets/dog/3.png', 'pets/cat/1.png']
    """

    def __init__(self, folder: Path, files: Iterable[Path] = ()) -> None:
        self.folder = folder
        names, ends = bytearray(), [0]
        for path in files:
            names += os.fsencode(name_below(path, folder))
            ends.append(len(names))
        self._names, self._ends = bytes(names), np.array(ends, np.int64)
        # Positions among all names; None where it has them all.
        self._at: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self._ends) - 1 if self._at is None else len(self._at)

    @overload
    def __getitem__(self, index: int) -> Path: ...

    @overload
    def __getitem__(self, index: slice) -> "ImagePaths": ...

    def __getitem__(self, index: int | slice) -> "Path | ImagePaths":
        if isinstance(index, slice):
            return self.take(range(*index.indices(len(self))))
        if not -len(self) <= index < len(self):
            raise IndexError(f"No path {index} among {len(self)}.")
        k = index % len(self)
        at = k if self._at is None else int(self._at[k])
        return self.folder / os.fsdecode(self._names[self._ends[at] : self._ends[at + 1]])

    def take(self, at: Any) -> "ImagePaths":
        """Those at the given positions, which share the names."""
        part = ImagePaths.__new__(ImagePaths)
        positions = np.asarray(at, np.int64)
        part.folder, part._names, part._ends = self.folder, self._names, self._ends
        part._at = positions if self._at is None else self._at[positions]
        return part
