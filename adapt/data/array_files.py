"""Arrays on disk as people have them: npz, npy, mat, csv, parquet and HDF5, without any pickle."""

import bz2
import csv
import gzip
import lzma
import math
import os
import re
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import numpy as np
from numpy.typing import NDArray

from adapt.data.amounts import with_points
from adapt.data.labels import is_missing
from adapt.errors import AdaptError
from adapt.extras import optional

Array = NDArray[Any]

ENDINGS = (".npz", ".npy", ".mat", ".csv", ".tsv", ".parquet", ".h5", ".hdf5")
"""Endings of the files that can be read."""

SPLITS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val"} | {
    "test": "test",
    "testing": "test",
}
"""What a split may be called, and what it is called here."""

_TABLES = (".csv", ".tsv", ".parquet")
_OF_TEXT = (".csv", ".tsv")
_PACKED: Mapping[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
_SHOWN = 12
_NAMED = 6
_NUMBERS = "fiub"
_NO_NAME = re.compile(r"(Unnamed: \d+)?")


class ArrayNames(NamedTuple):
    """What the arrays, or columns, of a file are called.

    Attributes:
        x: Inputs. Of a table, all columns that have no other name here, unless there is one of this name.
        y: Labels.
        class_names: Names of the classes.
        index: Names of the rows, for `predictions.csv`.
        domain: Domain of each row, in a file that holds several.
        groups: What has to stay in one split, such as a person.
        split: `train`, `val` or `test` of each row.
    """

    x: str = "x"
    y: str = "y"
    class_names: str = "class_names"
    index: str = "index"  # type: ignore[assignment]  # shadows tuple.index, for which nobody has a use here
    domain: str = "domain"
    groups: str = "groups"
    split: str = "split"


class ReadArrays(NamedTuple):
    """What a file holds, as far as it holds it; N rows.

    Attributes:
        x: Inputs `(N, ...)`: float32, or bytes where a picture `(N, C, H, W)` is bytes.
        y: Labels `(N, ...)` as they are there, texts or numbers; None where there are none.
        class_names: Names of the classes.
        groups: What has to stay in one split `(N,)`, as texts.
        split: `train`, `val`, `test`, or empty for none of them `(N,)`.
        names: What each row is called: its number, or its `index`.
        domain: The domain of each row `(N,)`.
        columns: Of a table, the names of the columns that the inputs are.
        given: Names of all that the file holds.
    """

    x: Array
    y: Array | None
    class_names: list[str] | None
    groups: Array | None
    split: Array | None
    names: list[str]
    domain: Array | None
    columns: tuple[str, ...] | None = None
    given: tuple[str, ...] = ()

    def rows(self, at: Array) -> "ReadArrays":
        """The rows at the given positions."""
        return ReadArrays(
            self.x[at],
            _taken(self.y, at),
            self.class_names,
            _taken(self.groups, at),
            _taken(self.split, at),
            [self.names[i] for i in at.tolist()],
            _taken(self.domain, at),
            self.columns,
            self.given,
        )

    def in_order(self, columns: Sequence[str] | None, where: str) -> "ReadArrays":
        """The same rows with the columns of a table in the order of another one's; names decide, and not places.

        Args:
            columns: The order; None for as they are.
            where: Whose rows they are, for the message.

        Raises:
            AdaptError: It has other columns.
        """
        at = order_of(columns, self.columns, where)
        return self if at is None or columns is None else self._replace(x=self.x[:, at], columns=tuple(columns))


def order_of(columns: Sequence[str] | None, there: Sequence[str] | None, where: str) -> list[int] | None:
    """Where the columns of a training table stand in another one; None where it has no names or the same order.

    Args:
        columns: Names in the order that is wanted; None for none.
        there: Names in the order that there is.
        where: Whose they are, for the message.

    Raises:
        AdaptError: They are not the same.
    """
    if columns is None or there is None or list(there) == list(columns):
        return None
    if more := [name for name in there if name not in columns]:
        absent = [name for name in columns if name not in there]
        raise AdaptError(
            f"Expected the columns of inputs {_listed(columns)} in {where}, as in the first source, found "
            f"{_listed(more)} {f'and no {_listed(absent)}' if absent else 'beside them'}.\nGive both the same "
            "names; --data Tables takes the columns that the source has."
        )
    refuse_absent(columns, there, where)
    return [list(there).index(name) for name in columns]


def refuse_absent(columns: Sequence[str], there: Iterable[str], where: str) -> None:
    """Refuse a table that lacks columns of inputs.

    Args:
        columns: Those that have to be there.
        there: Those that are.
        where: Whose they are, for the message.

    Raises:
        AdaptError: Names the columns that are not there.
    """
    there = list(there)
    if absent := [name for name in columns if name not in there]:
        raise AdaptError(
            f"Expected the column{'s' * (len(absent) > 1)} {_listed(absent)} in {where}, as in training, found "
            f"{_listed(there)}.\nColumns are taken by their names: add what is missing, or rename it."
        )


def from_frame(inputs: Any, columns: Sequence[str] | None, where: str) -> Any:
    """The numbers `(N, d)` of a DataFrame, whose columns are taken by their names; anything else as it is.

    Args:
        inputs: What a person has in Python.
        columns: Names in the order that is wanted; None for the frame's own.
        where: Whose they are, for the message.

    Raises:
        AdaptError: A column is not there, or holds no numbers.
    """
    given = getattr(inputs, "columns", None)
    if given is None:
        return inputs
    by_name = {str(name): name for name in given}
    wanted = list(by_name) if columns is None else list(columns)
    refuse_absent(wanted, by_name, where)
    values = np.asarray(inputs[[by_name[name] for name in wanted]])
    if values.dtype.kind in _NUMBERS:
        return values
    for name, column in zip(wanted, values.T, strict=False):
        try:
            column.astype(np.float32)
        except (TypeError, ValueError) as error:
            raise AdaptError(
                f"Expected numbers in the columns of {where}, found {name!r} with {str(error)[:60]}. Make them numbers "
                "(NaN is refused, too), or take --data Tables, which knows categories."
            ) from error
    return values.astype(np.float32)


def wanted_columns(columns: Mapping[str, Array], wanted: Sequence[str] | None, where: str) -> dict[str, Array]:
    """The columns of a table that are wanted, in that order; all of them when None.

    Args:
        columns: Those that are there.
        wanted: Names.
        where: Whose they are, for the message.

    Raises:
        AdaptError: One is not there.
    """
    if wanted is None:
        return dict(columns)
    refuse_absent(wanted, columns, where)
    return {name: columns[name] for name in wanted}


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:_NAMED])) + (f", ... ({len(names)} in all)" if len(names) > _NAMED else "")


def _taken(values: Array | None, at: Array) -> Array | None:
    return None if values is None else values[at]


def read_arrays(
    path: str | Path, names: ArrayNames | None = None, columns: Sequence[str] | None = None, **renamed: str
) -> ReadArrays:
    """Read one file of arrays.

    Formats: `.npz`; `.npy` (`a_x.npy` with `a_y.npy`, `a_groups.npy`, ... beside it, or `a.npy` for inputs alone);
    `.mat` of MATLAB (v5 by SciPy, v7.3 by h5py); `.csv` and `.tsv` with a header; `.parquet`; `.h5` and `.hdf5`.
    Nothing pickled is read. Index lists, arrays `train_index`, `val_index` and `test_index` of row numbers from 0,
    say the same as an array `split`.

    Args:
        path: The file.
        names: What its arrays are called.
        columns: Of a table, the columns that are its inputs, in this order; all that have no other meaning when None.
        **renamed: Single names, such as `y="labels"`.

    Raises:
        AdaptError: It cannot be read, holds no inputs, or arrays that do not belong together; says what was found.

    Examples:
        >>> import tempfile, numpy as np
        >>> path = tempfile.mkdtemp() + "/a.npz"
        >>> np.savez(path, x=np.zeros((3, 2)), y=["cat", "dog", "cat"])
        >>> found = read_arrays(path)
        >>> found.x.shape, found.y.tolist(), found.names
        ((3, 2), ['cat', 'dog', 'cat'], ['0', '1', '2'])
    """
    path, wanted = Path(path), (names or ArrayNames())._replace(**renamed)
    arrays = load_arrays(path, [*wanted, *(f"{part}_index" for part in ("train", "val", "test"))], wanted[3:])
    everything = tuple(arrays)
    found_columns: tuple[str, ...] | None = None
    if is_of(path, _TABLES):
        arrays, found_columns = _table(arrays, wanted, path, columns)
    if wanted.x not in arrays:
        raise AdaptError(
            f"Expected inputs as the array {wanted.x!r} in {path}, found {described(arrays)}.\n"
            "Say what it is called: --data.x NAME (and --data.y NAME for the labels)."
        )
    x = _inputs(arrays[wanted.x], path, wanted.x)
    count = len(x)

    def column(name: str) -> Array | None:
        found = arrays.get(name)
        if found is None:
            return None
        # MATLAB has no vectors, but rows and columns.
        found = found.reshape(-1) if found.ndim == 2 and 1 in found.shape and found.size == count else found
        if found.ndim == 0 or len(found) != count:
            raise AdaptError(
                f"Expected one entry of {name!r} for each of the {count} rows of {wanted.x!r} in {path}, found "
                f"{found.shape}. All that was found: {described(arrays)}."
            )
        return found

    texts = {name: as_texts(found) for name in wanted[3:] if (found := column(name)) is not None}
    split = _index_lists(arrays, count, path)
    if (given := texts.get(wanted.split)) is not None:
        split = as_splits(given, path, wanted.split)
    class_names = arrays.get(wanted.class_names)
    return ReadArrays(
        x,
        column(wanted.y),
        None if class_names is None else [str(name).strip() for name in as_texts(class_names.reshape(-1))],
        texts.get(wanted.groups),
        split,
        [str(row) for row in texts.get(wanted.index, range(count))],
        texts.get(wanted.domain),
        found_columns,
        everything,
    )


def load_arrays(path: Path, names: Iterable[str] = (), texts: Sequence[str] = ()) -> dict[str, Array]:
    """All arrays of a file by name.

    Args:
        path: The file.
        names: Arrays that may lie in `.npy` files of their own beside the first one, or in pandas's index of a
            `.parquet` file, which is otherwise left out.
        texts: Columns of a table of texts that stay as they are written: 007 is a name, and no 7.

    Raises:
        AdaptError: It is not there, has another ending, or cannot be read.
    """
    readers: dict[str, Callable[[Path], Mapping[str, Any]]] = {
        ".npz": _read_npz,
        ".npy": lambda file: _read_npy(file, names),
        ".mat": _read_mat,
        ".csv": lambda file: _read_table(file, ",", texts),
        ".tsv": lambda file: _read_table(file, "\t", texts),
        ".parquet": lambda file: _read_parquet(file, names),
        ".h5": _read_hdf5,
        ".hdf5": _read_hdf5,
    }
    reader = readers.get(name_and_ending(path)[1])
    if reader is None:
        raise AdaptError(f"Expected a file of arrays ({', '.join(ENDINGS)}), found {path}.")
    if not path.is_file():
        raise AdaptError(f"Expected arrays at {path}, found no file there.")
    try:
        return {name: np.asarray(values) for name, values in reader(path).items()}
    except AdaptError:
        raise
    except Exception as error:  # every format has errors of its own
        reason = str(error).partition("\n")[0] or type(error).__name__
        if "allow_pickle" in reason or "pickled" in reason:
            reason = (
                "it holds pickled objects, which could run code and are never read; save arrays of numbers or texts"
            )
        raise AdaptError(f"Expected arrays at {path}, could not read them ({reason}).") from error


def file_of(folder: Path, name: str, endings: Sequence[str]) -> Path | None:
    """The file of a folder with a name and one of some endings, in capitals or not; None where there is none.

    Args:
        folder: Where it lies.
        name: What it is called, without its ending.
        endings: In small letters.

    Raises:
        AdaptError: There are several, of which only one could be read.
    """
    place = folder / name
    if not place.parent.is_dir():
        return None
    # Many other files may lie there: only those of this name are looked at.
    with os.scandir(place.parent) as entries:
        named = [Path(entry.path) for entry in entries if entry.name.startswith(f"{place.name}.")]
    wanted = [(place.name, ending) for ending in endings]
    found = sorted(path for path in named if name_and_ending(path) in wanted and path.is_file())
    if len(found) > 1:
        raise AdaptError(f"Expected one file of {name!r}, found {found[0].name} and {found[1].name}. Remove one.")
    return found[0] if found else None


def is_of(path: Path, endings: Sequence[str]) -> bool:
    """Whether a file has one of some endings, in capitals or not; a table of text may be packed (`.csv.gz`)."""
    return name_and_ending(path)[1] in endings


def name_and_ending(path: Path) -> tuple[str, str]:
    """What a file is called, and its ending in small letters, which of a packed table is that of the table.

    Args:
        path: The file.

    Examples:
        >>> name_and_ending(Path("data/north.2.CSV")), name_and_ending(Path("north.csv.gz"))
        (('north.2', '.csv'), ('north', '.csv'))
    """
    inner = Path(path.stem)
    path = inner if path.suffix.lower() in _PACKED and inner.suffix.lower() in _OF_TEXT else path
    return path.stem, path.suffix.lower()


def described(arrays: Mapping[str, Array]) -> str:
    """What a file holds, for a message: `x float64 (300, 12), y int64 (300,)`."""
    parts = [f"{name} {_kind(values)} {values.shape}" for name, values in arrays.items()]
    more = f", ... ({len(parts)} in all)" if len(parts) > _SHOWN else ""
    return ", ".join(parts[:_SHOWN]) + more or "nothing"


def as_texts(values: Array) -> Array:
    """Entries as texts: whole numbers without a point, nothing for NaN."""
    if values.dtype.kind == "f":
        return np.array([_number_text(value) for value in values.tolist()], dtype=str)
    if values.dtype.kind == "S":
        return np.char.decode(values, "utf-8")
    if values.dtype.kind == "O":
        return np.array([_text(value) for value in values.tolist()], dtype=str)
    return values.astype(str)


def _text(value: Any) -> str:
    if is_missing(value):
        return ""
    if isinstance(value, bytes):
        return value.decode("utf-8")
    return _number_text(value) if isinstance(value, float) else str(value)


def _number_text(value: float) -> str:
    if value != value:
        return ""
    return str(int(value)) if math.isfinite(value) and value == int(value) else repr(value)


def _kind(values: Array) -> str:
    return "text" if values.dtype.kind in "USO" else str(values.dtype)


def _inputs(values: Array, path: Path, name: str) -> Array:
    if values.dtype.kind not in _NUMBERS or values.ndim == 0:
        raise AdaptError(f"Expected numbers as {name!r} in {path}, found {_kind(values)} {values.shape}.")
    if len(values) == 0:
        raise AdaptError(f"Expected rows of {name!r} in {path}, found none ({values.shape}).")
    values = values[:, None] if values.ndim == 1 else values
    # Pictures as bytes stay a quarter as large; they are scaled to [0, 1] a batch at a time.
    if values.dtype == np.uint8 and values.ndim == 4:
        return values
    return values.astype(np.float32)


def as_splits(values: Array, path: Path, name: str) -> Array:
    """Splits by their names here.

    Raises:
        AdaptError: One has another name.
    """
    found = np.array([SPLITS.get(text.strip().lower(), text) for text in values.tolist()], dtype=str)
    if odd := sorted(set(found.tolist()) - {"train", "val", "test", ""}):
        raise AdaptError(f"Expected train, val or test as {name!r} in {path}, found {', '.join(map(repr, odd[:5]))}.")
    return found


def _index_lists(arrays: Mapping[str, Array], count: int, path: Path) -> Array | None:
    lists = {part: arrays[f"{part}_index"] for part in ("train", "val", "test") if f"{part}_index" in arrays}
    if not lists:
        return None
    split = np.full(count, "", dtype="<U5")
    for part, values in lists.items():
        at = values.reshape(-1)
        if len(at) == count > 2 and at.dtype.kind in _NUMBERS and set(np.unique(at).tolist()) <= {0, 1}:
            at = np.flatnonzero(at)  # a mask, which MATLAB has as numbers; a list would name two rows again and again
        whole = at.dtype.kind != "b" and at.dtype.kind in _NUMBERS and bool((at == np.floor(at.astype(float))).all())
        if not whole or (at.size and not 0 <= at.min() <= at.max() < count):
            raise AdaptError(f"Expected {part}_index in {path} as row numbers from 0 to {count - 1}, found others.")
        at = at.astype(np.int64)
        if taken := sorted(set(split[at].tolist()) - {""}):
            raise AdaptError(
                f"Expected each row of {path} in one list, found some in {taken[0]}_index and {part}_index."
            )
        split[at] = part
    return split


def _table(
    columns: Mapping[str, Array], names: ArrayNames, path: Path, wanted: Sequence[str] | None
) -> tuple[dict[str, Array], tuple[str, ...] | None]:
    """A table's columns as arrays: those without another meaning are the inputs, whose names come with them."""
    others = {name: values for name, values in columns.items() if name in names[1:]}
    if names.x in columns:
        return others | {names.x: columns[names.x]}, None
    features = wanted_columns(
        {name: values for name, values in columns.items() if name not in others}, wanted, str(path)
    )
    if not features:
        raise AdaptError(f"Expected columns of inputs in {path}, found {described(columns)}.")
    features = {name: _truths(values) for name, values in features.items()}
    if texts := [name for name, values in features.items() if values.dtype.kind not in _NUMBERS]:
        value = next((v for v in as_texts(features[texts[0]]).tolist() if not _is_number(v)), "")
        more = f" and texts in {len(texts) - 1} more" if len(texts) > 1 else ""
        raise AdaptError(
            f"Expected numbers in the columns of inputs in {path}, found {value[:40]!r} in {texts[0]!r}{more}.\n"
            f"If that column holds labels, say so: --data.y {texts[0]}; else remove it, or make it numbers."
        )
    if all(_is_number(name) for name in features) and wanted is None:
        raise AdaptError(
            f"Expected names of the columns in the first line of {path}, found the numbers {list(features)[:3]}."
        )
    x = np.stack([values.astype(np.float64) for values in features.values()], 1)
    return others | {names.x: x}, tuple(features)


def _truths(values: Array) -> Array:
    """A column of nothing but true and false as booleans."""
    if values.dtype.kind not in "UO":
        return values
    small = np.char.lower(as_texts(values))
    return small == "true" if np.isin(small, ["true", "false"]).all() else values


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _read_npz(path: Path) -> dict[str, Any]:
    with path.open("rb") as start:
        pickled = start.read(1) == b"\x80"
    if not pickled and not zipfile.is_zipfile(path):  # NumPy would speak of pickled objects
        raise zipfile.BadZipFile("it is no npz file, or was cut short")
    with np.load(path, allow_pickle=False) as file:
        if not isinstance(file, np.lib.npyio.NpzFile):
            raise zipfile.BadZipFile("it is no npz file")
        return {name: file[name] for name in file.files}


def _read_npy(path: Path, names: Iterable[str]) -> dict[str, Any]:
    inputs = next(iter(names), "x")
    stem = path.stem.removesuffix(f"_{inputs}")
    found = {inputs: np.load(path, allow_pickle=False)}
    for name in names:
        beside = path.with_name(f"{stem}_{name}.npy")
        if name != inputs and beside.is_file():
            found[name] = np.load(beside, allow_pickle=False)
    return found


def _read_table(path: Path, separator: str, texts: Sequence[str]) -> dict[str, Any]:
    columns = read_lines(path, separator)
    return {name: np.array(cells) if name in texts else _parsed(cells) for name, cells in columns.items()}


def read_lines(path: Path, separator: str) -> dict[str, list[str]]:
    """The columns of a table of texts, as they are written, without spaces around them.

    Where the first line has semicolons, tabs or bars in the place of the separator, these are taken, and numbers with a
    decimal comma become such with a point. A column without a name, as pandas writes its index, is left out, and so are
    lines before the header that begin with `#`, both with a warning.

    Args:
        path: The file; packed, where its name says so.
        separator: What stands between two cells.

    Raises:
        AdaptError: It is no UTF-8 or UTF-16, cannot be unpacked, has no rows, a column twice, rows of other lengths, or
            a quote that does not end.
    """
    csv.field_size_limit(2**31 - 1)  # a text may be longer than the 131072 characters at which the reader stops
    unpacked = _PACKED.get(path.suffix.lower(), open)
    try:
        with unpacked(path, "rb") as start:
            wide = start.read(2) in (b"\xff\xfe", b"\xfe\xff")
        with unpacked(path, "rt", newline="", encoding="utf-16" if wide else "utf-8-sig") as file:
            above, separator = _above_header(file, separator)
            # Without `strict` a quote that does not end takes in the rest of the file, and no word is said.
            lines = [line for line in csv.reader(file, delimiter=separator, strict=True) if line]
    except csv.Error as error:
        raise AdaptError(
            f"Expected a table at {path}, could not read it ({error}): is a quote open, or not doubled within a text?"
        ) from error
    except UnicodeError as error:
        raise AdaptError(
            f"Expected a table at {path} as UTF-8, found other bytes ({getattr(error, 'reason', error)}). Save it as "
            "UTF-8 (in spreadsheets: CSV UTF-8)."
        ) from error
    except (EOFError, OSError, zlib.error, lzma.LZMAError) as error:
        raise AdaptError(f"Expected a table at {path}, could not read it ({error}): is the file whole?") from error
    if above:
        more = f" and {len(above) - 1} more" if len(above) > 1 else ""
        warnings.warn(f"Left out {above[0].strip()[:60]!r}{more} above the header of {path}.", stacklevel=2)
    if len(lines) < 2:
        found = "no row below the header" if lines else "an empty file"
        raise AdaptError(f"Expected a header and rows in {path}, found {found}.")
    header, rows = [name.strip() for name in lines[0]], lines[1:]
    named = [name for name in header if not _NO_NAME.fullmatch(name)]
    refuse_repeated(named, path)
    for number, row in enumerate(rows, 2):
        if len(row) != len(header):
            mend = f"put texts that hold the separator ({separator!r}) into quotes"
            if len(header) == 1:
                mend = f"remove what stands before the names of the columns, such as {lines[0][0][:40]!r}, or {mend}"
            raise AdaptError(
                f"Expected {len(header)} columns in every row of {path}, found {len(row)} in row {number}: {mend}."
            )
    if named and len(named) < len(header):
        warnings.warn(f"Left out a column of {path} that has no name, as pandas writes its index.", stacklevel=2)
    kept = [k for k, name in enumerate(header) if name in named or not named]
    columns = {header[k]: [row[k].strip() for row in rows] for k in kept}
    return columns if separator == "," else {name: with_points(texts) for name, texts in columns.items()}


def refuse_repeated(columns: Sequence[str], path: Path) -> None:
    """Refuse a table that has a column twice, of which only one would be read.

    Args:
        columns: The names in its header.
        path: The table.

    Raises:
        AdaptError: It has.
    """
    if len(set(columns)) < len(columns):
        twice = next(name for name in columns if columns.count(name) > 1)
        raise AdaptError(f"Expected each column of {path} once, found {twice!r} twice.")


def _above_header(file: TextIO, expected: str) -> tuple[list[str], str]:
    """The lines such as `# exported in May` above a header, at which the file then stands, and what separates cells.

    A line that begins so is the header itself where it has as many cells as the row below it.
    """
    found: list[tuple[int, str]] = []
    while not found or found[-1][1].startswith("#") or found[-1][1].isspace():
        found.append((file.tell(), file.readline()))
    place, header = found.pop()
    above = [(at, line) for at, line in found if line.startswith("#")]
    if len(header.strip()) == len("sep=;") and header.lower().startswith("sep="):  # as spreadsheets say it
        return [line for _, line in above], header.strip()[-1]
    separator = _separator(header, expected)
    cells = [len(next(csv.reader([line], delimiter=separator))) for line in [*(line for _, line in above[-1:]), header]]
    if len(cells) == 2 and cells[0] == cells[1]:
        place, _ = above.pop()
    file.seek(place)
    return [line for _, line in above], separator


def _separator(header: str, expected: str) -> str:
    header = re.sub(r'"[^"]*"', "", header)  # names in quotes may hold any of them
    others = [other for other in ",;\t|" if other in header]
    return expected if expected in header or not others else max(others, key=header.count)


def _parsed(texts: Sequence[str]) -> Array:
    if any("_" in text for text in texts):  # Python reads 1_10 as 110
        return np.array(texts, dtype=str)
    try:
        return np.array([int(text) for text in texts], dtype=np.int64)
    except (ValueError, OverflowError):
        pass
    try:
        return np.array([float(text) if text else np.nan for text in texts])
    except ValueError:
        return np.array(texts, dtype=str)


def _read_parquet(path: Path, names: Iterable[str]) -> dict[str, Any]:
    parquet = optional("pyarrow.parquet", "pyarrow", "files", "A .parquet file")
    table = parquet.read_table(path)
    about = table.schema.pandas_metadata or {}
    # Pandas's index is no column of the frame that was saved, unless somebody asks for it by its name.
    index = {name for name in about.get("index_columns", []) if isinstance(name, str)} - set(names)
    kept = [name for name in table.column_names if not name.startswith("__index") and name not in index]
    return {name: _column(table.column(name)) for name in kept}


def _column(column: Any) -> Array:
    if hasattr(column.type, "value_type") and hasattr(column.type, "index_type"):  # pandas's categories
        column = column.cast(column.type.value_type)  # or `to_numpy` gives a missing one as the last category
    values = column.to_numpy()
    if values.dtype.kind != "O":
        return np.asarray(values)
    listed = values.tolist()
    # A column of lists is an array with one more dimension.
    if listed and all(isinstance(value, np.ndarray | list) for value in listed):
        return np.stack([np.asarray(value) for value in listed])
    return as_texts(values)


def _read_hdf5(path: Path) -> dict[str, Any]:
    h5py = optional("h5py", "h5py", "files", "An HDF5 file")
    found: dict[str, Any] = {}

    def keep(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = item.asstr()[()] if h5py.check_string_dtype(item.dtype) else item[()]

    with h5py.File(path, "r") as file:
        file.visititems(keep)
    return {
        name: np.asarray(values, dtype=str) if np.asarray(values).dtype.kind == "O" else values
        for name, values in found.items()
    }


def _read_mat(path: Path) -> dict[str, Any]:
    from scipy.io import loadmat

    try:
        found = loadmat(path)
    except NotImplementedError:  # version 7.3 is HDF5
        return _read_mat73(path)
    plain = {name: values for name, values in found.items() if not name.startswith("__")}
    return {name: _cells(values) for name, values in _fields(plain).items()}


def _fields(variables: Mapping[str, Any]) -> dict[str, Array]:
    """MATLAB's variables; the fields of a structure as `structure/field`, as in HDF5."""
    found: dict[str, Array] = {}
    for name, values in variables.items():
        values = np.asarray(values)
        if values.dtype.names and values.size == 1:
            record = values.reshape(-1)[0]
            found |= _fields({f"{name}/{field}": record[field] for field in values.dtype.names})
        else:
            found[name] = values
    return found


def _cells(values: Array) -> Array:
    """A cell array of texts, or a matrix of characters, as texts `(N,)`."""
    if values.dtype.kind == "O":
        return np.array(
            [_text(np.asarray(cell).reshape(-1)[0]) if np.size(cell) else "" for cell in values.reshape(-1)]
        )
    return np.char.strip(values) if values.dtype.kind == "U" else values


def _read_mat73(path: Path) -> dict[str, Any]:
    h5py = optional("h5py", "h5py", "files", "A .mat file of version 7.3")
    found: dict[str, Any] = {}
    with h5py.File(path, "r") as file:

        def keep(name: str, item: Any) -> None:
            if not isinstance(item, h5py.Dataset) or name.startswith("#"):
                return
            kind = item.attrs.get("MATLAB_class", b"")
            kind = kind.decode() if isinstance(kind, bytes) else str(kind)
            if kind == "cell":
                cells = [file[reference][()] for reference in np.asarray(item[()]).reshape(-1)]
                found[name] = np.array([_characters(cell) for cell in cells])
            elif kind == "char":
                rows = np.asarray(item[()]).T
                found[name] = np.array([_characters(row) for row in np.atleast_2d(rows)])
            else:
                # MATLAB counts along columns first.
                found[name] = np.asarray(item[()]).transpose()

        file.visititems(keep)
    return found


def _characters(codes: Array) -> str:
    return re.sub(r"\0", "", "".join(chr(int(code)) for code in np.asarray(codes).reshape(-1))).strip()
