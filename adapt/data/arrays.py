"""A user's own arrays: vectors, sequences or pictures in one file per domain, or in one file for all."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from adapt.data.array_files import ENDINGS, ArrayNames, ReadArrays, as_texts, name_and_ending, read_arrays
from adapt.data.base import Split
from adapt.data.named_columns import NamedColumns, refuse_absent_names
from adapt.data.splits import held_out, refuse_shared_groups, shared_rows, warn_of_no_group
from adapt.data.standardised import StandardisedDataModule
from adapt.data.statistics import Statistics
from adapt.data.views import Inputs, TensorDomain
from adapt.errors import AdaptError
from adapt.problems import Problem, Regression

__all__ = ["ArrayNames", "Arrays", "ReadArrays", "read_arrays"]

_SPLITS: tuple[Split, ...] = ("train", "val", "test")
_PICTURES = 4


class Arrays(NamedColumns, StandardisedDataModule):
    """Domains as arrays on disk: `<root>/<folder>/<domain>.npz`, or `.npy`, `.mat`, `.csv`, `.parquet`, `.h5`.

    A file holds inputs `x` of any rank, `(N, d)`, `(N, C, L)` or `(N, C, H, W)`, and labels `y (N,)`, which are texts
    or whole numbers of any kind and may be missing, all or some (an empty cell, NaN, or what `no_label` says). Class
    names come from `class_names` in a file, or are the labels themselves, sorted. Of a table every column is an input
    that has no other meaning. Inputs become float32, but pictures in bytes `(N, C, H, W)`, which are divided by 255
    on the device. What may stand in a file is in the documentation's page on arrays.

    Fixed splits: a column `split`, a second file `<domain>_test`, or index lists `train_index` and `test_index`. Else
    each domain is cut at random, the same for every seed of an experiment. Samples of one of the `groups`, such as a
    person's, are never in two splits.

    Args:
        source: One domain, or several to pool.
        target: The domain to adapt to.
        folder: Folder below the root that holds the files; the root itself when empty.
        file: One file below that folder that holds all domains, which its array or column `domain` tells apart.
        x: Name of the inputs.
        y: Name of the labels.
        index: Name of what a row is called in `predictions.csv`; its number where there is none.
        domain_column: Name of what says each row's domain, with `file`.
        groups: Name of what has to stay in one split.
        split: Name of what says each row's split.
        no_label: A label that means that there is none, such as −1.
        labels: Whether labels are `classes`, or `numbers` to predict.
        transductive: Train and test on the whole target.
        standardise: Subtract means and divide by standard deviations, per feature of vectors and per channel of other
            inputs: of the `source`'s training samples, for both domains; of each domain's own (`domains`), which is an
            adaptation in itself; or `none`. A checkpoint keeps them for new data.
        test_fraction: Share of each domain that is its test set, where it has none of its own.
        **kwargs: See `DomainDataModule`.

    Raises:
        AdaptError: A file is not there, cannot be read, or does not fit its partner; an argument is out of range.
    """

    rows_are_numbered_by_split = False
    endings: ClassVar[tuple[str, ...]] = ENDINGS
    """Endings of the files that are looked at."""
    usual_names: ClassVar[ArrayNames] = ArrayNames()
    """What is looked for where nobody says another name."""

    def __init__(
        self,
        source: str | list[str],
        target: str,
        folder: str = "",
        file: str = "",
        x: str = "x",
        y: str = "y",
        index: str = "index",
        domain_column: str = "domain",
        groups: str = "groups",
        split: str = "split",
        no_label: str | int | None = None,
        labels: Literal["classes", "numbers"] = "classes",
        transductive: bool = False,
        standardise: Literal["none", "source", "domains"] = "none",
        test_fraction: float = 0.2,
        **kwargs: Any,
    ) -> None:
        self.folder, self.file, self.no_label, self.labels = folder, file, no_label, labels
        self.names = ArrayNames(x, y, index=index, domain=domain_column, groups=groups, split=split)
        self.transductive, self.standardise, self.test_fraction = transductive, standardise, test_fraction
        self._wholes: dict[str, Whole] = {}
        self._statistics: dict[str, Statistics] = {}
        self._problem: Problem | None = None
        super().__init__(source, target, **kwargs)

    @property
    def problem(self) -> Problem:
        """Classification into the classes that were found, or the numbers with the source's mean and spread."""
        if self.labels == "classes" or self.restored_problem is not None:
            return super().problem
        if self._problem is None:
            found = [self.domain(name, "train") for name in self.sources]
            # Rows without a number are refused by their names later on.
            y = torch.cat([part.y[part.labelled] for part in found if isinstance(part, TensorDomain)])
            names = [self.names.y] if y.ndim == 1 else [f"{self.names.y}{k}" for k in range(y.shape[1])]
            self._problem = Regression.of(names, y)
        return self._problem

    def _check_arguments(self) -> None:
        if not 0 < self.test_fraction < 1:
            raise AdaptError(f"Expected a test fraction between 0 and 1, found {self.test_fraction}.")
        self._refuse_source_statistics()
        folder = self.data_path(self.folder, instructions=self._instructions())
        self.known_domains = self._domains_in(folder)
        used = list(dict.fromkeys([*self.sources, self.target]))
        for name in used:
            self.check_domain(name)
        wholes = {name: self._whole(name) for name in used}
        self._refuse_absent_names({name: whole.arrays.given for name, whole in wholes.items()})
        for name in self.sources:
            if wholes[name].arrays.y is None:
                raise AdaptError(
                    f"Expected labels {self.names.y!r} of the source {name!r}, found {wholes[name].arrays.x.shape} "
                    f"inputs alone: a source needs labels.\nSay what they are called: --data.y NAME."
                )
        self._check_shapes(wholes)
        if self.labels == "classes":
            self._names = self.class_names = self._find_classes(wholes)
        super()._check_arguments()

    def _refuse_absent_names(self, there: Mapping[str, Sequence[str]]) -> None:
        options = {"index": "index", "domain": "domain_column", "groups": "groups", "split": "split"}
        names, usual = (
            {option: getattr(known, field) for field, option in options.items()}
            for known in (self.names, self.usual_names)
        )
        refuse_absent_names(names, usual, there)

    def _check_shapes(self, wholes: "Mapping[str, Whole]") -> None:
        """Refuse domains whose inputs differ in shape, and say what it is."""
        self.input_shape = wholes[self.target].arrays.x.shape[1:]
        for name in wholes:
            if (shape := wholes[name].arrays.x.shape[1:]) != self.input_shape:
                raise AdaptError(
                    f"Expected inputs of one shape, found {shape} in {name!r} and {self.input_shape} in "
                    f"{self.target!r}. Bring both domains to the same columns or sizes."
                )

    def domain_classes(self, name: str) -> Sequence[str]:
        """The classes that a domain has samples of, in the order of all; all where only some samples have labels."""
        texts = self._label_texts(name)
        if self.labels == "numbers" or texts is None or not (known := texts != "").any():
            return []
        indices = self._class_indices(name)
        if known.all():
            return [self._names[k] for k in np.unique(indices).tolist()]
        return self._names

    def _has_classes(self) -> bool:
        return self.labels == "classes"

    def domain(self, name: str, split: Split) -> Dataset[tuple[Any, Any]]:
        """One split of a domain, the same for every seed of an experiment."""
        part = self._plain(name, split)
        if self.standardise == "none":
            return part
        return TensorDomain(self.standardised(_tensor(part.x), name), part.y, part.labelled)

    def sample_names(self, name: str, split: Split) -> Sequence[str]:
        """Rows by number, or by their `index`."""
        names = self._whole(name).arrays.names
        return [names[i] for i in self._positions(name)[split].tolist()]

    def read_inputs(self, path: str | Path) -> tuple[Dataset[tuple[Any, Any]], list[str]]:
        """The rows of a file of arrays, standardised as the target is; their names are their numbers or `index`."""
        found = read_arrays(path, self.names, self._columns)
        if found.x.shape[1:] != tuple(self.input_shape):
            raise AdaptError(
                f"Expected inputs of shape {tuple(self.input_shape)} in {path}, as in training, found "
                f"{found.x.shape[1:]}. Give the same columns or sizes."
            )
        x = _tensor(self.as_trained(torch.from_numpy(found.x)))
        return TensorDomain(self.standardised(x, self.target), None), found.names

    def prepare(self, inputs: Any) -> Inputs:
        """Arrays, or a DataFrame, that a person has in Python, standardised as the target is.

        Args:
            inputs: Numbers `(N, ...)`; of a DataFrame the columns are taken by their names.
        """
        x = super().prepare(inputs).x
        if isinstance(x, Tensor) and not (x.dtype == torch.uint8 and x.ndim == _PICTURES):
            x = x.float()  # as in a file, where only pictures stay bytes
        return Inputs(self.standardised(x, self.target))

    def inputs_path(self, name: str) -> Path | None:
        """The domain's file, where it has one of its own."""
        files = {} if self.file else self._files(self.root / self.folder).get(name, {})
        return files[""] if list(files) == [""] else None

    def training_inputs(self, name: str) -> Tensor:
        """The kept training inputs of a domain."""
        part = self._taken(self._plain(name, "train"), name, "train")
        assert isinstance(part, TensorDomain)  # what is kept of a domain in memory lies in memory
        return _tensor(part.x)

    def _plain(self, name: str, split: Split) -> TensorDomain:
        at = self._positions(name)[split]
        y, known = self._labels(name)
        return TensorDomain(self._inputs(name, at), y[at], known[at])

    def _inputs(self, name: str, at: Tensor) -> Tensor:
        """The inputs of some rows, before they are standardised."""
        return torch.from_numpy(self._whole(name).arrays.x[at.numpy()])

    def _labels(self, name: str) -> tuple[Tensor, Tensor]:
        whole = self._whole(name)
        count = len(whole.arrays.x)
        if whole.arrays.y is None:
            return torch.full((count,), -1), torch.zeros(count, dtype=torch.bool)
        if self.labels == "classes":
            indices = torch.from_numpy(self._class_indices(name))
            return indices, indices >= 0
        y = torch.from_numpy(_numbers(whole.arrays.y, name))
        known = ~torch.isnan(y).reshape(count, -1).any(1)
        if self.no_label is not None:
            known &= (y != float(self.no_label)).reshape(count, -1).all(1)
        return y, known

    def _label_texts(self, name: str) -> NDArray[np.str_] | None:
        """Labels as texts, empty where there is none."""
        y = self._whole(name).arrays.y
        if y is None or self.labels == "numbers":
            return None
        if y.ndim != 1:
            raise AdaptError(
                f"Expected one label for each row of {name!r}, found {y.dtype} {y.shape}. One-hot labels become "
                "classes by y.argmax(1); numbers to predict need --data.labels numbers."
            )
        texts = np.char.strip(as_texts(y))
        return texts if self.no_label is None else np.where(texts == str(self.no_label), "", texts)

    def _class_indices(self, name: str) -> NDArray[np.int64]:
        """Class indices `(N,)`, −1 where there is no label; in files a −1 is a label like any other."""
        whole = self._whole(name)
        if whole.indices is None:
            texts = self._label_texts(name)
            assert texts is not None  # asked only of domains with labels
            whole = whole._replace(indices=np.array([self._numbering[t] if t else -1 for t in texts.tolist()]))
            self._wholes[name] = whole
        assert whole.indices is not None
        return whole.indices

    def _find_classes(self, wholes: "Mapping[str, Whole]") -> Sequence[str]:
        """The classes of both domains; `_numbering` then says which label is which."""
        found = {name: set(texts.tolist()) - {""} for name in wholes if (texts := self._label_texts(name)) is not None}
        for name, own in found.items():
            _refuse_odd(name, own, self.no_label, wholes[name].arrays)
        values = _sorted({value for own in found.values() for value in own})
        named = {name: whole.arrays.class_names for name, whole in wholes.items() if whole.arrays.class_names}
        if not named:
            self._numbering = {value: k for k, value in enumerate(values)}
            return values
        names = next(iter(named.values()))
        for name, others in named.items():
            if others != names:
                raise AdaptError(
                    f"Expected one list of class names, found {', '.join(names)} in {next(iter(named))!r} and "
                    f"{', '.join(others)} in {name!r}. Write the same list into both files."
                )
        if set(values) <= set(names):
            self._numbering = {value: k for k, value in enumerate(names)}
        elif set(values) <= {str(k) for k in range(len(names))}:
            self._numbering = {str(k): k for k in range(len(names))}
        elif len(values) == len(names):
            # Such as MATLAB's, which start at 1.
            self._numbering = {value: k for k, value in enumerate(values)}
        else:
            raise AdaptError(
                f"Expected labels for the {len(names)} class names {', '.join(names)}, found {', '.join(values[:10])}"
                f"{', ...' if len(values) > 10 else ''}. Name every class, or use the names as labels."
            )
        return names

    def _positions(self, name: str) -> dict[Split, Tensor]:
        """Row positions by split."""
        whole = self._whole(name)
        if whole.positions is None:
            whole = whole._replace(positions=self._cut(name, whole.arrays))
            self._wholes[name] = whole
        assert whole.positions is not None
        return whole.positions

    def _cut(self, name: str, arrays: ReadArrays) -> dict[Split, Tensor]:
        rows = torch.arange(len(arrays.x))
        warn_of_no_group(arrays.groups, name)
        if self.transductive:
            if name == self.target:
                return dict.fromkeys(_SPLITS, rows)
            held, rest = self._held_out(rows, arrays.groups, self.val_fraction, name)
            return {"train": rest, "val": held, "test": held}
        parts: dict[Split, Tensor] = {}
        if arrays.split is not None:
            parts = {part: rows[torch.from_numpy(arrays.split == part)] for part in _SPLITS}
            parts = {part: at for part, at in parts.items() if len(at)}
            refuse_shared_groups(parts, arrays.groups, name)
        parts = parts or self._shared_cut(name, arrays.groups)
        if "test" not in parts:
            rest = parts.get("train", rows)
            parts["test"], parts["train"] = self._held_out(rest, arrays.groups, self.test_fraction, name)
        if "train" not in parts:
            raise AdaptError(f"Expected rows of {name!r} in the split train, found none.")
        if "val" not in parts:
            parts["val"], parts["train"] = self._held_out(parts["train"], arrays.groups, self.val_fraction, name)
        return parts

    def _shared_cut(self, name: str, groups: NDArray[np.str_] | None) -> dict[Split, Tensor]:
        """Rows by split where domains have groups in common, such as patients of two hospitals; else none."""
        if groups is None:
            return {}
        used = {each: self._whole(each).arrays for each in dict.fromkeys([*self.sources, self.target])}
        return shared_rows(
            name,
            {each: found.groups for each, found in used.items()},
            {each: found.split for each, found in used.items()},
            self.test_fraction,
            self.val_fraction,
            self.split_seed,
        )

    def _held_out(
        self, rows: Tensor, groups: NDArray[np.str_] | None, fraction: float, name: str
    ) -> tuple[Tensor, Tensor]:
        """A random share of some rows, and the others; groups stay whole."""
        return held_out(rows, groups, fraction, self.split_seed, name)

    def _whole(self, name: str) -> "Whole":
        if name not in self._wholes:
            found = self._read(name).in_order(self._columns, repr(name))
            self._columns = self._columns or found.columns
            self._wholes[name] = Whole(found)
        return self._wholes[name]

    def _read(self, name: str) -> ReadArrays:
        folder = self.root / self.folder
        if self.file:
            found = self._load(folder / self.file)
            assert found.domain is not None  # as `known_domains` found
            return found.rows(np.flatnonzero(found.domain == name))
        files = self._files(folder).get(name)
        if files is None:  # the base names it, with what it was probably meant to be
            self.check_domain(name)
            raise AssertionError
        parts = {part: self._load(path) for part, path in files.items()}
        if list(parts) == [""]:
            return parts[""]
        return _one_after_the_other(name, parts)

    def _domains_in(self, folder: Path) -> list[str]:
        if self.file:
            domain = self._domain_column(self.data_path(self.folder, self.file, instructions=self._instructions()))
            if domain is None:
                raise AdaptError(
                    f"Expected the domain of each row as {self.names.domain!r} in {folder / self.file}, found no such "
                    "array or column.\nSay what it is called (--data.domain_column NAME), or give a file per domain."
                )
            return sorted(set(domain.tolist()))
        known = sorted(self._files(folder))
        if not known:
            there = ", ".join(sorted(path.name for path in folder.iterdir())[:8]) or "nothing"
            raise AdaptError(
                f"Expected arrays as <domain>{self.endings[0]} (or {', '.join(self.endings[1:])}) in {folder}, found "
                f"{there}."
            )
        return known

    def _load(self, path: Path) -> ReadArrays:
        return _cached(path, self.names)

    def _domain_column(self, path: Path) -> NDArray[np.str_] | None:
        """The domain of each row of a file of all."""
        return self._load(path).domain

    def _files(self, folder: Path) -> dict[str, dict[str, Path]]:
        return _files_of(folder, self.names, self.endings)

    def _instructions(self) -> str:
        return f"Arrays lie there as <domain> with one of the endings {', '.join(self.endings)}."


class Whole(NamedTuple):
    """A domain as it was read, and what was made of it."""

    arrays: ReadArrays
    indices: NDArray[np.int64] | None = None
    positions: dict[Split, Tensor] | None = None


def _cached(path: Path, names: ArrayNames) -> ReadArrays:
    return _read_once(path.resolve(), path.stat().st_mtime_ns if path.exists() else 0, names)


@lru_cache(maxsize=8)
def _read_once(path: Path, changed: int, names: ArrayNames) -> ReadArrays:
    return read_arrays(path, names)


def _files_of(folder: Path, names: ArrayNames, endings: Sequence[str]) -> dict[str, dict[str, Path]]:
    """Files by domain and split; the split is empty where one file holds the domain.

    Raises:
        AdaptError: A domain has two files.
    """
    found: dict[str, Path] = {}
    beside = {f"_{name}" for name in (*names[1:], "train_index", "val_index", "test_index")}
    for path in sorted(folder.iterdir()):
        stem, ending = name_and_ending(path)
        if path.name.startswith(".") or ending not in endings or not path.is_file():
            continue
        if ending == ".npy":
            if any(stem.endswith(ending) for ending in beside):
                continue
            stem = stem.removesuffix(f"_{names.x}")
        if stem in found:
            raise AdaptError(f"Expected one file of {stem!r}, found {found[stem].name} and {path.name}. Remove one.")
        found[stem] = path
    domains: dict[str, dict[str, Path]] = {}
    for stem, path in found.items():
        base, _, part = stem.rpartition("_")
        own = part in _SPLITS and (base in found or (f"{base}_train" in found and f"{base}_test" in found))
        name, split = (base, part) if own else (stem, "")
        domains.setdefault(name, {})[split] = path
    return domains


def _one_after_the_other(name: str, parts: Mapping[str, ReadArrays]) -> ReadArrays:
    """Files of one domain's splits as one, whose column says which rows came from which."""
    first = next(iter(parts.values()))
    parts = {part: arrays.in_order(first.columns, f"{name}_{part}".rstrip("_")) for part, arrays in parts.items()}
    split = []
    for part, arrays in parts.items():
        if arrays.x.shape[1:] != first.x.shape[1:]:
            raise AdaptError(
                f"Expected the files of {name!r} with inputs of one shape, found {arrays.x.shape[1:]} and "
                f"{first.x.shape[1:]}. Bring them to the same columns or sizes."
            )
        if arrays.split is not None:
            raise AdaptError(f"Expected fixed splits of {name!r} by a file or by a column, found both. Remove one.")
        split += [part or "train"] * len(arrays.x)

    def joined(attribute: str) -> NDArray[Any] | None:
        values = [getattr(arrays, attribute) for arrays in parts.values()]
        if all(value is None for value in values):
            return None
        texts = [
            np.full(len(arrays.x), "") if value is None else as_texts(value)
            for value, arrays in zip(values, parts.values(), strict=True)
        ]
        same = all(value is not None and value.dtype.kind in "fiub" for value in values)
        return np.concatenate(values if same else texts)

    names = [row if not part else f"{part} {row}" for part, arrays in parts.items() for row in arrays.names]
    class_names = next((arrays.class_names for arrays in parts.values() if arrays.class_names), None)
    x = np.concatenate([arrays.x for arrays in parts.values()])
    return ReadArrays(
        x, joined("y"), class_names, joined("groups"), np.array(split), names, None, first.columns, first.given
    )


def _refuse_odd(name: str, values: set[str], no_label: object, arrays: ReadArrays) -> None:
    """Refuse labels that are no classes, and a −1 that may mean either."""
    y = arrays.y
    if y is not None and y.dtype.kind == "f" and (odd := sorted(v for v in values if not _whole_number(v))):
        raise AdaptError(
            f"Expected classes as labels of {name!r}, found numbers such as {odd[0]}. Numbers to predict need "
            "--data.labels numbers."
        )
    others = [v for v in values if v != "-1"]
    if (
        "-1" in values
        and no_label is None
        and not arrays.class_names
        and others != ["1"]
        and all(map(_whole_number, others))
    ):
        raise AdaptError(
            f"Expected labels of {name!r} of which each names a class, found -1 beside "
            f"{', '.join(_sorted(set(others))[:5]) or 'no other'}.\n"
            "If it means that there is no label, say --data.no_label=-1; else give class_names in the file."
        )


def _whole_number(text: str) -> bool:
    return text.removeprefix("-").isdigit()


def _sorted(values: set[str]) -> list[str]:
    try:
        return sorted(values, key=float)
    except ValueError:
        return sorted(values)


def _numbers(y: NDArray[Any], name: str) -> NDArray[np.float32]:
    if y.dtype.kind not in "fiub":
        texts = as_texts(y)
        try:
            return np.array([float(text) if text else np.nan for text in texts.tolist()], dtype=np.float32)
        except ValueError as error:
            raise AdaptError(f"Expected numbers as labels of {name!r}, found texts ({error}).") from error
    return y.astype(np.float32)


def _tensor(x: Any) -> Tensor:
    assert isinstance(x, Tensor)  # inputs of this datamodule have one part
    return x.float()
