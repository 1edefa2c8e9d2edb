"""A user's own tables: numbers and categories, some of them missing, in one file per domain or in one for all."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from adapt.data.array_files import Array, ReadArrays, as_splits, as_texts
from adapt.data.arrays import Arrays, Whole
from adapt.data.base import DomainDataModule
from adapt.data.columns import (
    ENDINGS,
    MISSING,
    Impute,
    Kinds,
    Preprocessing,
    as_categories,
    as_numbers,
    cells_of,
    check_columns,
    find_kinds,
    given_columns,
    read_columns,
    warn_of_almost_numbers,
    warn_of_unknown,
)
from adapt.data.statistics import Statistics
from adapt.data.views import Inputs, TensorDomain
from adapt.errors import AdaptError


class Tables(Arrays):
    """Domains as tables of numbers and categories: `<root>/<folder>/<domain>.csv`, or `.tsv`, `.parquet`.

    Every column is an input that has no other meaning (`y`, `index`, `domain_column`, `groups`, `split`) and is not in
    `drop`. A column is one of numbers where all the source's values are, else one of categories; the target has the
    same columns, in any order. Cells may be empty. Scikit-learn's `ColumnTransformer`, fitted on the source's training
    rows alone, makes vectors of them: missing numbers are imputed and numbers standardised, each category becomes a
    column of zeros and ones, and a category that the source's training rows do not have becomes zeros. Missing is a
    category of its own where these rows have it. The checkpoint keeps all this as plain values, so that new tables go
    through the same without the training data.

    Labels, splits and groups are as `Arrays` has them: texts or whole numbers, or `--data.labels numbers`; a fixed
    split by a column or by a file `<domain>_test`; samples of one of the `groups`, such as a patient's, are never in
    two splits.

    Args:
        source: One domain, or several to pool.
        target: The domain to adapt to. It needs no labels.
        folder: Folder below the root that holds the files; the root itself when empty.
        file: One file below that folder that holds all domains, which its column `domain` tells apart.
        y: Column of the labels.
        index: Column of what a row is called in `predictions.csv`; its number where there is none.
        domain_column: Column of each row's domain, with `file`.
        groups: Column of what has to stay in one split.
        split: Column of each row's split.
        drop: Columns that are no inputs.
        categorical: Columns of categories that look like numbers, such as codes.
        missing: Texts that mean that there is no value, in the place of the usual ones; an empty cell always does.
        impute: What stands in for a missing number: the `median`, `mean` or `most_frequent` one.
        marks: Add a column of zeros and ones for each column of numbers of which the source's training rows miss some.
        standardise: What numbers are standardised by: the `source`'s training rows, for both domains; each domain's own
            (`domains`), which is an adaptation in itself; or `none`.
        checkpoint: Checkpoint of a run on the same source whose preprocessing is taken, so that a method without source
            reads no row of it.
        **kwargs: See `Arrays` and `DomainDataModule`.

    Raises:
        AdaptError: A file is not there, cannot be read, or does not fit its partner; an argument is out of range.
    """

    endings = ENDINGS

    def __init__(
        self,
        source: str | list[str],
        target: str,
        folder: str = "",
        file: str = "",
        y: str = "y",
        index: str = "index",
        domain_column: str = "domain",
        groups: str = "groups",
        split: str = "split",
        drop: Sequence[str] = (),
        categorical: Sequence[str] = (),
        missing: Sequence[str] = MISSING,
        impute: Impute = "median",
        marks: bool = False,
        standardise: Literal["none", "source", "domains"] = "source",
        checkpoint: str | None = None,
        **kwargs: Any,
    ) -> None:
        self.drop, self.categorical = _listed(drop), _listed(categorical)
        # An empty cell never is a value, whatever else a person names.
        self.missing, self.impute, self.marks = tuple(dict.fromkeys(["", *_listed(missing)])), impute, marks
        self.checkpoint = checkpoint
        self._found_kinds: Kinds | None = None
        self._fitted: Preprocessing | None = None
        self._vectors: dict[str, Tensor] = {}
        names: Any = {"y": y, "index": index, "domain_column": domain_column, "groups": groups, "split": split}
        super().__init__(source, target, folder, file, standardise=standardise, **names, **kwargs)

    @property
    def preprocessing(self) -> Preprocessing:
        """How columns become vectors: what the source's training rows said, or a checkpoint's."""
        if self._fitted is None:
            self._fitted = self._fit()
        return self._fitted

    def _check_arguments(self) -> None:
        if self.checkpoint is not None:
            self._fitted = _preprocessing_of(Path(self.checkpoint))
            self._found_kinds = self._fitted.kinds
        super()._check_arguments()
        self.input_shape = (len(self.preprocessing.names),)

    def _refuse_source_statistics(self) -> None:
        if self.source_free and self.checkpoint is None:
            raise AdaptError(
                "Expected the preprocessing of a run on the source beside source_free, which reads no row of it, found "
                "none.\nGive that run's checkpoint: --data.checkpoint <run>/checkpoints/last.ckpt."
            )

    def _check_shapes(self, wholes: Mapping[str, Whole]) -> None:
        self.input_shape = ()  # known once the preprocessing is

    def _fit(self) -> Preprocessing:
        parts = []
        for name in self.sources:
            at = self._positions(name)["train"]
            y, known = self._labels(name)
            kept = self._taken(TensorDomain(at[:, None], y[at], known[at]), name, "train")
            assert isinstance(kept, TensorDomain)  # what is kept of a domain in memory lies in memory
            parts.append(self._whole(name).arrays.x[_tensor(kept.x)[:, 0].numpy()])
        cells = np.concatenate(parts)
        check_columns(cells, self._kinds, self.categorical, f"the source {'+'.join(self.sources)!r}")
        return Preprocessing.fitted(
            cells, self._kinds, self.impute, self.standardise == "source", self.marks, self.missing
        )

    def _inputs(self, name: str, at: Tensor) -> Tensor:
        if name not in self._vectors:
            cells = self._whole(name).arrays.x
            warn_of_unknown(cells, self.preprocessing, repr(name))
            self._vectors[name] = torch.from_numpy(self.preprocessing.applied(cells))
        return self._vectors[name][at]

    def standardised(self, x: Tensor, name: str) -> Tensor:
        """Vectors `(N, d)` as the network sees those of a domain; the preprocessing has done it for `source`."""
        return self._statistics_of(name).applied(x) if self.standardise == "domains" else x

    def _statistics_of(self, name: str) -> Statistics:
        if name not in self._statistics:
            found = Statistics.of(self.training_inputs(name))
            # Zeros and ones stay what they are.
            number = torch.arange(len(found.mean)) < len(self.preprocessing.kinds.numbers)
            mean = torch.where(number, found.mean, torch.zeros_like(found.mean))
            self._statistics[name] = Statistics(mean, torch.where(number, found.std, torch.ones_like(found.std)))
        return self._statistics[name]

    def state_dict(self) -> dict[str, Any]:
        """Also how columns become vectors, so that new tables need no training data."""
        names = [] if self.standardise != "domains" else [self.target] if self.source_free else self.sources
        kept = {name: self._statistics_of(name).plain() for name in {*names, self.target} if names}
        found = DomainDataModule.state_dict(self)
        return found | {"statistics": kept, "preprocessing": self.preprocessing.plain()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore it."""
        super().load_state_dict(state_dict)
        self._fitted = Preprocessing.of_plain(state_dict["preprocessing"])
        self._vectors = {}

    def read_inputs(self, path: str | Path) -> tuple[Dataset[tuple[Any, Any]], list[str]]:
        """The rows of a table, preprocessed as the target's; columns that were no inputs in training are not read."""
        columns = read_columns(Path(path))
        x = self._new(columns, str(path))
        names = columns.get(self.names.index)
        return TensorDomain(x, None), [str(row) for row in (range(len(x)) if names is None else as_texts(names))]

    def prepare(self, inputs: Any) -> Inputs:
        """A table that a person has in Python, preprocessed as the target's.

        Args:
            inputs: A dict of columns, a list of dicts, or a DataFrame.
        """
        return Inputs(self._new(given_columns(inputs), "the table"))

    def _new(self, columns: Mapping[str, Array], where: str) -> Tensor:
        known = self.preprocessing
        cells = cells_of(columns, known.kinds, known.missing, where)
        warn_of_unknown(cells, known, where)
        x = torch.from_numpy(known.applied(cells))
        return self.standardised(x, self.target)

    @property
    def _kinds(self) -> Kinds:
        if self._found_kinds is None:
            tables = [table for name in self.sources for table in self._source_tables(name)]
            others = [*self.drop, *self.names[1:2], *self.names[3:]]
            if absent := [n for n in (*self.drop, *self.categorical) if not any(n in table for table in tables)]:
                raise AdaptError(
                    f"Expected columns of the source to drop or to take for categories, found no {absent[0]!r} among "
                    f"{', '.join(list(tables[0])[:8])}."
                )
            if any(self.names.y not in table for table in tables):
                raise AdaptError(
                    f"Expected labels of the source as the column {self.names.y!r}, found "
                    f"{', '.join(list(tables[0])[:8])}.\nSay what they are called: --data.y NAME."
                )
            found = find_kinds(tables, others, self.categorical, self.missing)
            where = f"the source {'+'.join(self.sources)!r}"
            cells = np.concatenate([cells_of(table, found, self.missing, where) for table in tables])
            check_columns(cells, found, self.categorical, where)
            warn_of_almost_numbers(cells, found, self.categorical, where)
            self._found_kinds = found
        return self._found_kinds

    def _source_tables(self, name: str) -> list[Mapping[str, Array]]:
        folder = self.root / self.folder
        if not self.file:
            return [_columns(path) for path in self._files(folder).get(name, {}).values()]
        columns = _columns(folder / self.file)
        rows = as_texts(columns[self.names.domain]) == name
        return [{column: values[rows] for column, values in columns.items()}]

    def _load(self, path: Path) -> ReadArrays:
        columns = _columns(path)
        cells = cells_of(columns, self._kinds, self.missing, str(path))
        return _as_arrays(columns, cells, self.names, self.missing, path)

    def _domain_column(self, path: Path) -> NDArray[np.str_] | None:
        columns = _columns(path)
        return as_texts(columns[self.names.domain]) if self.names.domain in columns else None

    def _instructions(self) -> str:
        return f"Tables lie there as <domain> with one of the endings {', '.join(self.endings)}."


def _as_arrays(
    columns: Mapping[str, Array], cells: Array, names: Any, missing: Sequence[str], path: Path
) -> ReadArrays:
    count = len(cells)
    texts = {name: as_texts(columns[name]) for name in names[3:] if name in columns}
    y = columns.get(names.y)
    if y is not None and y.dtype.kind == "O":
        numbers = as_numbers(y, missing)
        # Labels that are numbers are numbers, so that odd ones are told as such.
        y = as_categories(y, missing).astype(str) if isinstance(numbers, str) else numbers
    split = texts.get(names.split)
    return ReadArrays(
        cells,
        y,
        None,
        texts.get(names.groups),
        None if split is None else as_splits(split, path, names.split),
        [str(row) for row in texts.get(names.index, range(count))],
        texts.get(names.domain),
        given=tuple(columns),
    )


def _columns(path: Path) -> dict[str, Array]:
    return _columns_once(path.resolve(), path.stat().st_mtime_ns if path.exists() else 0)


@lru_cache(maxsize=8)
def _columns_once(path: Path, changed: int) -> dict[str, Array]:
    return read_columns(path)


def _preprocessing_of(path: Path) -> Preprocessing:
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)[Tables.__qualname__]["preprocessing"]
        return Preprocessing.of_plain(found)
    except FileNotFoundError as error:
        raise AdaptError(f"Expected --data.checkpoint with a run's checkpoint, found no file {path}.") from error
    except Exception as error:  # torch.load has many
        raise AdaptError(f"Expected a checkpoint of a run on Tables at {path}, found another file.") from error


def _listed(names: Sequence[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def _tensor(x: Any) -> Tensor:
    assert isinstance(x, Tensor)  # inputs of this datamodule have one part
    return x
