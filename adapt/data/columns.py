"""The columns of a table: what of them are numbers and what categories, and how they become vectors."""

import re
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from adapt.data.amounts import Written, how_written, looks_like_amount, read_amount
from adapt.data.array_files import Array, as_texts, load_arrays, name_and_ending, read_lines
from adapt.errors import AdaptError

ENDINGS = (".csv", ".tsv", ".parquet")
"""Endings of the tables that can be read."""
MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "?")
"""What a cell without a value may hold."""
Impute = Literal["median", "mean", "most_frequent"]

_WHOLE = re.compile(r"-?\d+(\.0)?")
_SEPARATORS = {".csv": ",", ".tsv": "\t"}
_FEW_CATEGORIES = 50
_FEW_ROWS = 20
_TRUTHS = {"true": 1.0, "false": 0.0}


class Kinds(NamedTuple):
    """Which columns are inputs, and of what kind.

    Attributes:
        numbers: Names of the columns of numbers.
        categories: Names of the columns of categories.
        written: How numbers are written, of the columns where a cell is more than its number, such as `$1,234`.
    """

    numbers: tuple[str, ...]
    categories: tuple[str, ...]
    written: Mapping[str, Written] = {}


class Preprocessing(NamedTuple):
    """How a table's columns become vectors: numbers first, then marks of missing ones, then a column per category.

    It holds what scikit-learn's transformers found, as plain values, so that a checkpoint can keep it.

    Attributes:
        kinds: The columns.
        fill: What stands in for a missing number, for each column of numbers.
        mean: What is subtracted from each.
        std: What each is divided by.
        marked: Positions of the columns of numbers of which a further column says where they were missing.
        values: The categories of each column of categories; a value that is none of them becomes zeros.
        missing: Texts that mean that there is no value.
    """

    kinds: Kinds
    fill: tuple[float, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    marked: tuple[int, ...]
    values: tuple[tuple[str, ...], ...]
    missing: tuple[str, ...]

    @property
    def names(self) -> list[str]:
        """Names of the vectors' entries."""
        marks = [f"{self.kinds.numbers[k]} missing" for k in self.marked]
        pairs = zip(self.kinds.categories, self.values, strict=True)
        return [*self.kinds.numbers, *marks, *(f"{name}={value}" for name, values in pairs for value in values)]

    @classmethod
    def fitted(
        cls, cells: Array, kinds: Kinds, impute: Impute, scale: bool, marks: bool, missing: Sequence[str]
    ) -> "Preprocessing":
        """What scikit-learn's `ColumnTransformer` finds in some rows.

        Args:
            cells: The rows `(N, d)`, as `cells_of` returns them.
            kinds: The columns.
            impute: What stands in for a missing number.
            scale: Whether numbers are standardised.
            marks: Whether further columns say where numbers were missing.
            missing: Texts that mean that there is no value.
        """
        count = len(kinds.numbers)
        numbers = cells[:, :count].astype(np.float64)
        marked = tuple(np.flatnonzero(np.isnan(numbers).any(0)).tolist()) if marks else ()
        found = column_transformer(kinds, impute, scale).fit(cells)
        fill, mean, std = np.zeros(count), np.zeros(count), np.ones(count)
        if count:
            steps = found.named_transformers_["numbers"].named_steps
            fill = steps["fill"].statistics_
            if scale:
                mean, std = steps["scale"].mean_, steps["scale"].scale_
        values = found.named_transformers_["categories"].categories_ if kinds.categories else []
        plain = [tuple(float(v) for v in part) for part in (fill, mean, std)]
        listed = tuple(tuple(map(str, part)) for part in values)
        return cls(kinds, plain[0], plain[1], plain[2], marked, listed, tuple(missing))

    def applied(self, cells: Array) -> NDArray[np.float32]:
        """Vectors `(N, width)` of rows `(N, d)`."""
        count = len(self.kinds.numbers)
        numbers = cells[:, :count].astype(np.float64)
        absent = np.isnan(numbers)
        filled = np.where(absent, np.array(self.fill), numbers)
        parts = [(filled - np.array(self.mean)) / np.array(self.std), absent[:, list(self.marked)]]
        for k, values in enumerate(self.values):
            column = as_known(cells[:, count + k].astype(str), values)
            parts.append(column[:, None] == np.array(values, dtype=str)[None])
        return np.concatenate(parts, 1).astype(np.float32)

    def plain(self) -> dict[str, Any]:
        """As a checkpoint keeps it."""
        written = {name: list(how) for name, how in self.kinds.written.items()}
        return {
            "numbers": list(self.kinds.numbers),
            "categories": {name: list(v) for name, v in zip(self.kinds.categories, self.values, strict=True)},
            "fill": list(self.fill),
            "mean": list(self.mean),
            "std": list(self.std),
            "marked": list(self.marked),
            "missing": list(self.missing),
            **({"written": written} if written else {}),
        }

    @classmethod
    def of_plain(cls, values: Mapping[str, Any]) -> "Preprocessing":
        """Out of a checkpoint."""
        written = {name: Written(*how) for name, how in values.get("written", {}).items()}
        kinds = Kinds(tuple(values["numbers"]), tuple(values["categories"]), written)
        listed = tuple(map(tuple, values["categories"].values()))
        fill, mean, std, marked = (tuple(values[name]) for name in ("fill", "mean", "std", "marked"))
        return cls(kinds, fill, mean, std, marked, listed, tuple(values["missing"]))


def column_transformer(kinds: Kinds, impute: Impute = "median", scale: bool = True) -> ColumnTransformer:
    """Scikit-learn's transformer of rows `(N, d)`, numbers first: impute and standardise; one column per category.

    Args:
        kinds: The columns.
        impute: What stands in for a missing number.
        scale: Whether numbers are standardised.
    """
    steps = [("floats", FunctionTransformer(_floats)), ("fill", SimpleImputer(strategy=impute))]
    numbers = Pipeline([*steps, *([("scale", StandardScaler())] if scale else [])])
    categories = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    count, width = len(kinds.numbers), len(kinds.numbers) + len(kinds.categories)
    parts = [("numbers", numbers, list(range(count))), ("categories", categories, list(range(count, width)))]
    return ColumnTransformer([part for part in parts if part[2]])


def _floats(cells: Array) -> NDArray[np.float64]:
    return cells.astype(np.float64)


def read_columns(path: Path) -> dict[str, Array]:
    """A table's columns: of a text file texts as they are written, of parquet numbers and texts.

    Args:
        path: A `.csv`, `.tsv` or `.parquet` file.

    Raises:
        AdaptError: It is not there, has another ending, or cannot be read.
    """
    ending = name_and_ending(path)[1]
    if ending not in ENDINGS:
        raise AdaptError(f"Expected a table ({', '.join(ENDINGS)}), found {path}.")
    if not path.is_file():
        raise AdaptError(f"Expected a table at {path}, found no file there.")
    if ending == ".parquet":
        found = load_arrays(path)
        if odd := next((name for name, values in found.items() if values.ndim != 1 or values.dtype.kind in "Mm"), None):
            raise AdaptError(
                f"Expected numbers or texts in each column of {path}, found {found[odd].dtype} {found[odd].shape} in "
                f"{odd!r}. Leave it out (--data.drop '[{odd}]'), or write it as a number."
            )
        return found
    lines = read_lines(path, _SEPARATORS[ending])
    return {name: np.array(texts, dtype=object) for name, texts in lines.items()}


def as_numbers(
    values: Array, missing: Sequence[str], truths: bool = False, written: Written | None = None
) -> NDArray[np.float64] | str:
    """A column as numbers, NaN where there is no value; the first text that is no number, where there is one.

    Args:
        values: The column.
        missing: Texts that mean that there is no value.
        truths: Whether a column of nothing but true and false is one of ones and zeros.
        written: How the source's numbers are written, where they are more than numbers.
    """
    if values.dtype.kind in "fiub" and (written is None or not len(values)):
        return values.astype(np.float64)
    found = np.full(len(values), np.nan)
    texts = as_texts(values).tolist()
    given = [text for text in texts if text not in missing]
    if truths and given and all(text.lower() in _TRUTHS for text in given):
        return np.array([_TRUTHS.get(text.lower(), np.nan) for text in texts])
    for k, text in enumerate(texts):
        if text in missing:
            continue
        if written is not None:
            number = read_amount(text, written)
            if number is None:
                return str(text)
            found[k] = number
            continue
        try:
            if "_" in text:  # Python reads 1_10 as 110
                raise ValueError
            found[k] = float(text)
        except ValueError:
            return str(text)
    return found


def as_categories(values: Array, missing: Sequence[str]) -> Array:
    """A column as texts, empty where there is no value."""
    texts = as_texts(values)
    return np.where(np.isin(texts, list(missing)), "", texts).astype(object)


def as_known(column: Array, values: Sequence[str]) -> Array:
    """Categories as training knew them: pandas writes the code 1 as 1.0 beside a gap, which is no other code.

    Args:
        column: Categories as texts `(N,)`.
        values: Those that are known.
    """
    other = {_other_form(value): value for value in values if _WHOLE.fullmatch(value)}
    known = {*values}
    spelled = {text: other[text] for text in set(column.tolist()) - known if text in other}
    return np.array([spelled.get(text, text) for text in column.tolist()], dtype=str) if spelled else column


def _other_form(number: str) -> str:
    return number.removesuffix(".0") if number.endswith(".0") else f"{number}.0"


def find_kinds(
    tables: Sequence[Mapping[str, Array]], others: Sequence[str], categorical: Sequence[str], missing: Sequence[str]
) -> Kinds:
    """Which columns of the sources are numbers: all whose values are, unless they are named as categories.

    Args:
        tables: The columns of each source.
        others: Names of columns that are no inputs.
        categorical: Columns of categories that look like numbers, such as codes.
        missing: Texts that mean that there is no value.

    Raises:
        AdaptError: The sources have no column in common.
    """
    shared = [name for name in tables[0] if all(name in table for table in tables) and name not in others]
    if not shared:
        raise AdaptError(
            f"Expected columns of inputs, found {', '.join(list(tables[0])[:8])}, none of which is left for them."
        )
    numbers = [
        name
        for name in shared
        if name not in categorical and not any(isinstance(as_numbers(t[name], missing), str) for t in tables)
    ]
    written: dict[str, Written] = {}
    for name in shared:
        if name not in categorical and name not in numbers:
            given = [text for t in tables for text in as_texts(t[name]).tolist() if text not in missing]
            if (how := how_written(given)) is not None:
                written[name] = how
    numbers = [name for name in shared if name in numbers or name in written]
    return Kinds(tuple(numbers), tuple(name for name in shared if name not in numbers), written)


def cells_of(columns: Mapping[str, Array], kinds: Kinds, missing: Sequence[str], where: str) -> Array:
    """The inputs of a table as rows of objects `(N, d)`, numbers first and NaN or an empty text where there is none.

    Args:
        columns: A table's columns.
        kinds: Which of them are inputs.
        missing: Texts that mean that there is no value.
        where: Whose they are, for the message.

    Raises:
        AdaptError: A column is not there, or holds a text or an infinite number in the place of a number.
    """
    if absent := [name for name in (*kinds.numbers, *kinds.categories) if name not in columns]:
        raise AdaptError(
            f"Expected the column{'s' * (len(absent) > 1)} {', '.join(map(repr, absent[:5]))} in {where}, as in the "
            f"source, found {', '.join(list(columns)[:8])}. Add it (cells may be empty), or train without: --data.drop "
            f"'[{', '.join(absent[:5])}]'."
        )
    cells = np.empty((len(next(iter(columns.values()))), len(kinds.numbers) + len(kinds.categories)), dtype=object)
    for k, name in enumerate(kinds.numbers):
        how = kinds.written.get(name)
        found = as_numbers(columns[name], missing, truths=True, written=how)
        if isinstance(found, str) or np.isinf(found).any():
            odd = found if isinstance(found, str) else "inf"
            kind = f"numbers with {how.unit}, as in the source," if how is not None and how.unit else "numbers"
            raise AdaptError(f"Expected {kind} in the column {name!r} of {where}, found {odd[:40]!r}. {_mend(name)}.")
        cells[:, k] = found
    for k, name in enumerate(kinds.categories, len(kinds.numbers)):
        cells[:, k] = as_categories(columns[name], missing)
    return cells


def check_columns(cells: Array, kinds: Kinds, categorical: Sequence[str], where: str) -> None:
    """Refuse columns that a source tells nothing by: without any value, or texts that are all different.

    Args:
        cells: The source's rows `(N, d)`.
        kinds: The columns.
        categorical: Those that a person named as categories.
        where: Whose they are, for the message.

    Raises:
        AdaptError: Names the column.
    """
    count = len(kinds.numbers)
    for k, name in enumerate((*kinds.numbers, *kinds.categories)):
        number = k < count
        column = cells[:, k]
        given = column[~np.isnan(column.astype(np.float64))] if number else column[column != ""]
        if not len(given):
            raise AdaptError(
                f"Expected values in the column {name!r} of {where}, found none. Leave it out: --data.drop '[{name}]'."
            )
        different = 0 if number else len(set(given.tolist()))
        if different > _FEW_CATEGORIES and different > len(given) / 2:
            if name not in categorical and (odd := _odd_among_numbers(given)):
                raise AdaptError(f"Expected numbers in the column {name!r} of {where}, found {odd}. {_mend(name)}.")
            if name not in categorical and (odd := _unclear_amounts(given)):
                raise AdaptError(f"Expected plain numbers in the column {name!r} of {where}, found {odd}.")
            raise AdaptError(
                f"Expected categories in the column {name!r} of {where}, found {different} different texts in "
                f"{len(given)} rows, such as {given[0][:40]!r}. If it is a name, say so: --data.index {name}; else "
                f"leave it out: --data.drop '[{name}]'."
            )


def warn_of_almost_numbers(cells: Array, kinds: Kinds, categorical: Sequence[str], where: str) -> None:
    """Warn of columns that are categories for a few texts among their numbers: every number is one category then.

    Args:
        cells: The source's rows `(N, d)`, as `cells_of` returns them.
        kinds: The columns.
        categorical: Those that a person named as categories.
        where: Whose rows they are, for the message.
    """
    for k, name in enumerate(kinds.categories, len(kinds.numbers)):
        column = cells[:, k]
        if name in categorical:
            continue
        if odd := _unclear_amounts(column[column != ""]):
            warnings.warn(
                f"The column {name!r} of {where} is taken for categories: {odd}, or, if they are categories, say so: "
                f"--data.categorical '[{name}]'.",
                stacklevel=2,
            )
        elif odd := _odd_among_numbers(column[column != ""]):
            warnings.warn(
                f"The column {name!r} of {where} is taken for categories, because of {odd}; the others are numbers. "
                f"{_mend(name)}.",
                stacklevel=2,
            )


def _odd_among_numbers(given: Array) -> str | None:
    """Which texts are no numbers, in words, where more than half are numbers; else None."""
    counts = Counter(given.tolist())
    odd = [text for text in counts if not _is_number(text) and not looks_like_amount(text)]
    cells = sum(counts[text] for text in odd)
    if not odd or 2 * cells >= len(given):
        return None
    return f"{', '.join(repr(text[:40]) for text in odd[:3])} in {cells} of {len(given)} cells"


def _unclear_amounts(given: Array) -> str | None:
    """What of a column may be numbers with commas or units and is not certain to be, in words; else None."""
    texts = sorted({*given.tolist()})
    if not texts or not all(_is_number(text) or looks_like_amount(text) for text in texts):
        return None
    shown = [text for text in texts if not _is_number(text)][:2] + [text for text in texts if _is_number(text)][:1]
    return (
        f"{', '.join(repr(text[:40]) for text in shown)} may be numbers in more than one way. Write them alike, "
        "without commas or units"
    )


def _is_number(text: str) -> bool:
    return not isinstance(as_numbers(np.array([text], dtype=object), ()), str)


def _mend(name: str) -> str:
    return (
        "Mend it, say that it means no value (--data.missing+=TEXT), or that the column holds categories "
        f"(--data.categorical '[{name}]')"
    )


def warn_of_unknown(cells: Array, known: Preprocessing, where: str) -> None:
    """Warn of columns of which most categories are none that training knew, or that have no value at all.

    Args:
        cells: Rows `(N, d)`, as `cells_of` returns them.
        known: What was found in training.
        where: Whose rows they are, for the message.
    """
    count = len(known.kinds.numbers)
    both = (*known.kinds.numbers, *known.kinds.categories)
    gaps = np.concatenate([np.isnan(cells[:, :count].astype(np.float64)), cells[:, count:] == ""], 1)
    named = [both[k] for k in np.flatnonzero(gaps.all(axis=0)).tolist()]
    if len(cells) > _FEW_ROWS and named:
        warnings.warn(
            f"No row of {where} has a value in {', '.join(map(repr, named[:5]))}, which the source has: what stands in "
            "for a missing value is all that the network sees there. Leave it out (--data.drop) where that is no slip.",
            stacklevel=2,
        )
    for k, (name, values) in enumerate(zip(known.kinds.categories, known.values, strict=True)):
        column = as_known(cells[:, count + k].astype(str), values)
        given = column[column != ""]
        new = given[~np.isin(given, np.array(values, dtype=str))]
        if 2 * len(new) > len(given):
            warnings.warn(
                f"{len(new)} of {len(given)} values of the column {name!r} of {where} are none that the source's "
                f"training rows have, such as {str(new[0])[:40]!r} (known: {', '.join(map(repr, values[:5]))}). They "
                "become zeros: write them alike, or leave the column out.",
                stacklevel=2,
            )


def given_columns(inputs: Any) -> dict[str, Array]:
    """The columns of a table that a person has in Python: a dict of columns, a list of dicts, or a DataFrame.

    Raises:
        AdaptError: It is none of them.
    """
    if isinstance(inputs, list) and inputs and all(isinstance(row, Mapping) for row in inputs):
        names = dict.fromkeys(name for row in inputs for name in row)
        return {str(name): _objects([row.get(name) for row in inputs]) for name in names}
    columns: Any = inputs if isinstance(inputs, Mapping) else getattr(inputs, "columns", None)
    if columns is None:
        raise AdaptError(
            f"Expected a table (a path, a dict of columns, a list of dicts, or a DataFrame), found "
            f"{type(inputs).__name__}."
        )
    read: Callable[[Any], Any] = inputs.__getitem__
    if single := [name for name in columns if not hasattr(read(name), "__len__") or isinstance(read(name), str)]:
        raise AdaptError(f"Expected columns of values, found {single[0]!r} alone. One row is [{{...}}], a list of one.")
    found = {str(name): _objects(list(read(name))) for name in columns}
    if len({len(values) for values in found.values()}) != 1:
        sizes = ", ".join(f"{name} {len(values)}" for name, values in list(found.items())[:5])
        raise AdaptError(f"Expected columns of one length, found {sizes or 'none'}.")
    return found


def _objects(values: Sequence[Any]) -> Array:
    found = np.empty(len(values), dtype=object)
    for k, value in enumerate(values):
        found[k] = None if _is_missing(value) else value.item() if hasattr(value, "item") else value
    return found


def _is_missing(value: Any) -> bool:
    try:
        return value is None or bool(value != value)
    except TypeError:  # pandas's NA is neither the same as itself nor another
        return True
