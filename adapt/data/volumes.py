"""A user's own scans: volumes and images of many channels, split by patient."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from adapt.data.array_files import ArrayNames, ReadArrays, as_splits, as_texts, file_of, is_of, name_and_ending
from adapt.data.arrays import Arrays, Whole
from adapt.data.columns import read_columns
from adapt.data.images import is_hidden
from adapt.data.phantoms import PHANTOM_CLASSES, PHANTOMS, phantoms
from adapt.data.scans import (
    ENDINGS,
    between_percentiles,
    ending_of,
    levels_of,
    matched,
    patient_of,
    read_scan,
    resampled,
    scans_below,
    windowed,
    with_channels,
)
from adapt.data.views import Inputs, TensorDomain
from adapt.errors import AdaptError

_INSTRUCTIONS = (
    "Scans lie there as <domain>/<class>/<patient>.nii.gz (or .nii, .npy, .dcm), as <domain>/<class>/<patient>/<scans> "
    "or in a list <domain>.csv with the columns path, label and patient."
)
_LISTS = (".csv", ".tsv", ".parquet")


class Listed(NamedTuple):
    """The scans of a domain.

    Attributes:
        paths: Their files and folders; none of the phantoms, which are made.
        arrays: What is known of them, with their numbers in the place of inputs.
    """

    paths: list[Path]
    arrays: ReadArrays


class Volumes(Arrays):
    """Domains of scans: `<root>/<folder>/<domain>/<class>/<patient>...`, or lists `<domain>.csv` of paths.

    Files are `.npy`, `.nii` and `.nii.gz` (nibabel) and DICOM (pydicom; a folder of `.dcm` files is one volume), with
    or without several channels; `pip install 'adapt-lightning[medical]'` brings the readers. Each scan is windowed,
    then resampled to one shape, and kept in memory.

    Below a class the first folder is a patient, with all scans in it; a file that lies there itself is a patient of
    its own, unless `patient_pattern` finds the patient in its path. No patient is in two splits. A domain of scans
    without class folders has no labels; one whose folders say something else than classes, such as patients, is named
    in `unlabelled`.

    A list has the columns `path` (relative to the list), `label`, `patient`, and if there are `split` and `index`;
    where a domain has a list and a folder, the list is read. `file` is one list for all domains, with a column
    `domain`.

    Histogram matching is an option of the data, and no method, because it is a map of single inputs that needs no
    network: so every method can be had with it and without, source-only with it is the baseline, and new scans are
    mapped when they are read. Each target scan's histogram becomes that of all the source's training scans. What tells
    the classes apart by the histogram alone, such as how large a bright lesion is, it takes away, too.

    Without files, `phantom` and `phantom_scanner` are generated volumes of two shapes under two intensity scales, see
    `adapt.data.phantoms`. They are no measurements.

    Args:
        source: One domain, or several to pool.
        target: The domain to adapt to. It needs no labels.
        folder: Folder below the root that holds the domains; the root itself when empty.
        file: One list below that folder with the scans of all domains.
        x: Column of the paths.
        y: Column of the labels.
        index: Column of what a scan is called in `predictions.csv`; its path where there is none.
        domain_column: Column of each scan's domain, with `file`.
        groups: Column of the patients.
        split: Column of each scan's split.
        shape: Values along depth, height and width; along height and width of images.
        window: Level and width of the values that become 0 to 1, such as 40 and 400 for soft tissue in CT.
        percentiles: Two percentiles of each scan that become 0 and 1, where values have no unit, as in MR.
        match: `histogram` maps each target scan to the source's histogram.
        unlabelled: Domains whose folders are no classes.
        patient_pattern: A regular expression that finds the patient in a path below its class.
        standardise: See `Arrays`, per channel.
        **kwargs: See `Arrays` and `DomainDataModule`.

    Raises:
        AdaptError: A domain is not there, a scan cannot be read, or an argument is out of range.
    """

    usual_names = ArrayNames(x="path", y="label", groups="patient")

    def __init__(
        self,
        source: str | list[str] = "phantom",
        target: str = "phantom_scanner",
        folder: str = "",
        file: str = "",
        x: str = "path",
        y: str = "label",
        index: str = "index",
        domain_column: str = "domain",
        groups: str = "patient",
        split: str = "split",
        shape: Sequence[int] = (32, 32, 32),
        window: tuple[float, float] | None = None,
        percentiles: tuple[float, float] | None = None,
        match: Literal["none", "histogram"] = "none",
        unlabelled: Sequence[str] = (),
        patient_pattern: str | None = None,
        standardise: Literal["none", "source", "domains"] = "source",
        **kwargs: Any,
    ) -> None:
        self.shape, self.window, self.percentiles, self.match = tuple(shape), window, percentiles, match
        self.unlabelled = [unlabelled] if isinstance(unlabelled, str) else list(unlabelled)
        self.patient_pattern = patient_pattern
        self._listed: dict[str, Listed] = {}
        self._stacks: dict[tuple[str, tuple[int, ...]], Tensor] = {}
        self._levels: NDArray[np.float32] | None = None
        names: Any = {"x": x, "y": y, "index": index, "domain_column": domain_column, "groups": groups, "split": split}
        super().__init__(source, target, folder, file, standardise=standardise, **names, **kwargs)

    def _check_arguments(self) -> None:
        if len(self.shape) not in (2, 3) or not all(isinstance(n, int) and n > 0 for n in self.shape):
            raise AdaptError(f"Expected a shape of three positive numbers, or of two for images, found {self.shape}.")
        if self.labels != "classes":
            raise AdaptError(f"Expected classes as the labels of scans, found --data.labels {self.labels}.")
        if self.window is not None and not self.window[1] > 0:
            raise AdaptError(f"Expected a window's level and a width above 0, found {self.window}.")
        if self.percentiles is not None and not 0 <= self.percentiles[0] < self.percentiles[1] <= 100:
            raise AdaptError(f"Expected two percentiles from 0 to 100, the lower first, found {self.percentiles}.")
        if self.window is not None and self.percentiles is not None:
            raise AdaptError("Expected a window or percentiles, found both. A window is for values with a unit.")
        super()._check_arguments()

    def _refuse_source_statistics(self) -> None:
        super()._refuse_source_statistics()
        if self.match == "histogram" and self.source_free:
            raise AdaptError("Expected match none beside source_free, found histogram, which reads the source's scans.")

    def _check_shapes(self, wholes: Mapping[str, Whole]) -> None:
        for name in self.unlabelled:
            self.check_domain(name)
        channels = {name: len(self._scan(name, 0)) for name in wholes}
        if len(set(channels.values())) > 1:
            found = ", ".join(f"{count} in {name!r}" for name, count in channels.items())
            raise AdaptError(f"Expected scans of as many channels in each domain, found {found}.")
        self.input_shape = (channels[self.target], *self.shape)

    def _scan(self, name: str, row: int) -> NDArray[np.float32]:
        """A scan, windowed and resampled."""
        listed = self._listing(name)
        if name in PHANTOMS and not listed.paths:
            return self._prepared(with_channels(phantoms(name)[0][row], len(self.shape), f"{name} {row}"))
        return self._prepared(read_scan(listed.paths[row], len(self.shape)))

    def _prepared(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        if self.window is not None:
            values = windowed(values, *self.window)
        elif self.percentiles is not None:
            values = between_percentiles(values, *self.percentiles)
        return resampled(values, self.shape)

    def _inputs(self, name: str, at: Tensor) -> Tensor:
        key = name, tuple(at.tolist())
        if key not in self._stacks:
            scans = [self._scan(name, row) for row in key[1]]
            if self.match == "histogram" and name not in self.sources:
                scans = [matched(scan, self.levels) for scan in scans]
            channels = self.input_shape[0]
            if odd := next((row for row, scan in zip(key[1], scans, strict=True) if len(scan) != channels), None):
                raise AdaptError(
                    f"Expected scans of {channels} channels in {name!r}, found another number in "
                    f"{self._listing(name).arrays.names[odd]}."
                )
            self._stacks[key] = torch.from_numpy(np.stack(scans))
        return self._stacks[key]

    @property
    def levels(self) -> NDArray[np.float32]:
        """Quantiles `(channels, 256)` of all the source's training scans."""
        if self._levels is None:
            stacks = [self.training_inputs(name) for name in self.sources]
            self._levels = levels_of(torch.cat(stacks).numpy())
        return self._levels

    def read_inputs(self, path: str | Path) -> tuple[Dataset[tuple[Any, Any]], list[str]]:
        """The scans of a folder at any depth, of a list, or one of them, as the target's; their names are their paths.

        Of a folder the paths begin with its own name.
        """
        path = Path(path)
        if is_of(path, _LISTS):
            columns = read_columns(path)
            paths, names = self._paths(columns, path), as_texts(columns.get(self.names.index, columns[self.names.x]))
            return self._new([read_scan(each, len(self.shape)) for each in paths]), [str(name) for name in names]
        if path.is_dir():
            paths = scans_below(path, len(self.shape))
            if not paths:
                raise AdaptError(f"Expected scans ({', '.join(ENDINGS)}) in {path}, found none.")
            found = [each.relative_to(path.parent).as_posix() for each in paths]
        else:
            paths, found = [path], [path.as_posix()]
        return self._new([read_scan(each, len(self.shape)) for each in paths]), found

    def prepare(self, inputs: Any) -> Inputs:
        """Scans that a person has in Python, as the target's.

        Args:
            inputs: A list of paths or arrays, or one array `(N, ...)`, each of any size.
        """
        rank = len(self.shape)
        scans = [
            read_scan(Path(each), rank) if isinstance(each, str | Path) else with_channels(each, rank, "the input")
            for each in inputs
        ]
        return Inputs(self._new(scans).x)

    def _new(self, scans: Sequence[NDArray[np.float32]]) -> TensorDomain:
        prepared = [self._prepared(scan) for scan in scans]
        if odd := [len(scan) for scan in prepared if len(scan) != self.input_shape[0]]:
            raise AdaptError(f"Expected scans of {self.input_shape[0]} channels, as in training, found {odd[0]}.")
        if self.match == "histogram":
            prepared = [matched(scan, self.levels) for scan in prepared]
        return TensorDomain(self.standardised(torch.from_numpy(np.stack(prepared)), self.target), None)

    def state_dict(self) -> dict[str, Any]:
        """Also the source's histogram, so that new scans need no training data."""
        return super().state_dict() | {"levels": self.levels.tolist() if self.match == "histogram" else None}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore it."""
        super().load_state_dict(state_dict)
        if (levels := state_dict.get("levels")) is not None:
            self._levels = np.array(levels, dtype=np.float32)

    def inputs_path(self, name: str) -> Path | None:
        """The domain's folder, or its list."""
        if self.file or name in PHANTOMS:
            return None
        return self._place(name)

    def data_path(self, *parts: str, instructions: str) -> Path:
        """As in the base; phantoms need no folder."""
        if {*self.sources, self.target} <= PHANTOMS.keys():
            return self.root
        return super().data_path(*parts, instructions=instructions)

    def _read(self, name: str) -> ReadArrays:
        return self._listing(name).arrays

    def _listing(self, name: str) -> Listed:
        if name not in self._listed:
            self._listed[name] = self._list(name)
        return self._listed[name]

    def _list(self, name: str) -> Listed:
        if self.file:
            listed = self._of_list(self.root / self.folder / self.file)
            domain = listed.arrays.domain
            assert domain is not None  # as `known_domains` found
            rows = np.flatnonzero(domain == name)
            return Listed([listed.paths[row] for row in rows.tolist()], listed.arrays.rows(rows))
        place = self._place(name)
        if place is None and name in PHANTOMS:
            _, y, patients = phantoms(name)
            texts = np.array(PHANTOM_CLASSES)[y]
            names = [f"{name} {row}" for row in range(len(y))]
            return Listed([], ReadArrays(np.arange(len(y)), texts, None, patients, None, names, None))
        if place is None:  # the base names it, with what it was probably meant to be
            self.check_domain(name)
            raise AssertionError
        return self._of_list(place) if place.is_file() else self._of_folder(place, name)

    def _of_list(self, path: Path) -> Listed:
        columns = read_columns(path)
        paths = self._paths(columns, path)
        texts = {name: as_texts(columns[name]) for name in self.names if name in columns}
        split = texts.get(self.names.split)
        arrays = ReadArrays(
            np.arange(len(paths)),
            texts.get(self.names.y),
            None,
            texts.get(self.names.groups),
            None if split is None else as_splits(split, path, self.names.split),
            [str(name) for name in texts.get(self.names.index, texts[self.names.x])],
            texts.get(self.names.domain),
            given=tuple(columns),
        )
        return Listed(paths, arrays)

    def _paths(self, columns: Mapping[str, Any], path: Path) -> list[Path]:
        if self.names.x not in columns:
            raise AdaptError(
                f"Expected the scans' paths as the column {self.names.x!r} of {path}, found {', '.join(columns)}.\n"
                "Say what it is called: --data.x NAME."
            )
        found = [path.parent / text for text in as_texts(columns[self.names.x]).tolist()]
        if absent := next((each for each in found if not each.exists()), None):
            raise AdaptError(f"Expected the scans of {path} beside it, found nothing at {absent}.")
        return found

    def _of_folder(self, folder: Path, name: str) -> Listed:
        rank = len(self.shape)
        loose = any(ending_of(path) for path in folder.iterdir() if path.is_file() and not is_hidden(path.name))
        classes = [] if loose or name in self.unlabelled else _folders(folder)
        found = [(path, at) for at in classes or [folder] for path in scans_below(at, rank)]
        if absent := next((at for at in classes if not any(own == at for _, own in found)), None):
            raise AdaptError(
                f"Expected scans ({', '.join(ENDINGS)}) of the class {absent.name!r} in {absent}, found none."
            )
        if not found:
            raise AdaptError(f"Expected scans ({', '.join(ENDINGS)}) in {folder}, found none.")
        patients = [
            patient_of(path.relative_to(at) if path != at else Path(path.name), self.patient_pattern)
            for path, at in found
        ]
        labels = np.array([at.name for _, at in found]) if classes else None
        names = [path.relative_to(folder.parent).as_posix() for path, _ in found]
        known = (self.names.groups,)  # the folders say the patients
        arrays = ReadArrays(np.arange(len(found)), labels, None, np.array(patients), None, names, None, given=known)
        return Listed([path for path, _ in found], arrays)

    def _place(self, name: str) -> Path | None:
        # A list beside a folder of its name is of the scans in it, and says what the folder cannot.
        folder = self.root / self.folder
        listed = file_of(folder, name, _LISTS)
        return folder / name if listed is None and (folder / name).exists() else listed

    def _domains_in(self, folder: Path) -> list[str]:
        if self.file:
            return super()._domains_in(folder)
        inside = sorted(folder.iterdir()) if folder.is_dir() else []
        found = [p.name for p in inside if p.is_dir() and not is_hidden(p.name)]
        lists = [name_and_ending(p)[0] for p in inside if is_of(p, _LISTS) and not is_hidden(p.name)]
        return sorted({*found, *lists, *PHANTOMS})

    def _domain_column(self, path: Path) -> NDArray[np.str_] | None:
        columns = read_columns(path)
        return as_texts(columns[self.names.domain]) if self.names.domain in columns else None

    def _instructions(self) -> str:
        return _INSTRUCTIONS


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not is_hidden(path.name))
