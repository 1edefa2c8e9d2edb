"""Time series of several domains, as windows."""

import hashlib
import re
import unicodedata
import warnings
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from adapt.data.array_files import (
    ENDINGS,
    as_texts,
    described,
    file_of,
    is_of,
    load_arrays,
    name_and_ending,
    order_of,
    wanted_columns,
)
from adapt.data.base import DomainDataModule, Split
from adapt.data.recordings import (
    SYNTHETIC,
    SYNTHETIC_CLASSES,
    channels_first,
    cut_windows,
    read_adatime,
    synthetic_series,
)
from adapt.data.splits import shared_rows
from adapt.data.statistics import Statistics, scale
from adapt.data.views import Inputs, TensorDomain
from adapt.errors import AdaptError

_INSTRUCTIONS = (
    "A domain is a file <domain>.npz with x (windows × channels × length), or x (steps × channels) with --data.length, "
    "and, where known, y, class_names, subject and recording; or AdaTime's train_<domain>.pt and test_<domain>.pt."
)
_TABLES = (".csv", ".tsv", ".parquet")
_GROUPS = ("subject", "subjects", "group", "groups")
# With a unit behind it or not: time, time_ms, Time (s).
_CLOCK = re.compile(r"(time|timestamp|datetime|date)s?([_ (\[].*)?", re.IGNORECASE)
_PIECES = 10


class Recordings(NamedTuple):
    """What a domain's file holds, before windows are cut and splits are made.

    Attributes:
        x: Windows `(N, channels, length)`, or steps `(T, channels)`.
        y: Class indices `(N,)` or `(T,)`, int64, −1 where there is no label.
        class_names: Names of the classes, empty where the file has none.
        group: Whose they are, `(N,)` or `(T,)`, as text; None where the file does not say.
        recording: Which recording each step is of `(T,)`, as text; None where the file does not say.
        split: `train` or `test` for each window, where the file fixes it.
        columns: Of a table, the names of its channels.
    """

    x: NDArray[Any]
    y: NDArray[np.int64]
    class_names: tuple[str, ...]
    group: NDArray[Any] | None
    recording: NDArray[Any] | None
    split: NDArray[Any] | None
    columns: tuple[str, ...] | None = None


class Cut(NamedTuple):
    """The windows of a domain.

    Attributes:
        x: Windows `(N, channels, length)`, float32.
        y: Class indices `(N,)`, −1 where there is no label.
        group: What is never in two splits, `(N,)`; None where windows are drawn one by one.
        split: The file's own splits; None where they are drawn.
        names: What the windows are called.
    """

    x: Tensor
    y: Tensor
    group: NDArray[Any] | None
    split: NDArray[Any] | None
    names: list[str]


class TimeSeries(DomainDataModule):
    """Sensor series: windows from files, or cut out of long recordings.

    Domains lie in `<root>/<folder>`, in one of these ways.

    - `<domain>.npz`, or another file that `Arrays` reads, with windows `x` `(N, channels, length)`, class indices `y`
      `(N,)`, and if there are `class_names` and `subject` (or `group`) `(N,)`. Targets may leave `y` out.
    - the same, or a `.csv` or `.parquet`, with the steps of recordings `x` `(T, channels)`, `y` `(T,)`, and if there
      are `recording` and `subject` `(T,)`; then `length` says how long windows are. In a table each row is a step, the
      columns `label` (or `y`), `recording` and `subject` are taken by their names, and all others are channels, but for
      a clock (`time`, `timestamp`, `date`): it is left out, and where it falls, another recording begins.
    - AdaTime's files, `train_<domain>.pt` and `test_<domain>.pt`, whose splits stay as they are.
    - `<domain>/<subject>+<subject>`: these subjects of a domain alone.
    - `synthetic` and `synthetic_turned` need no file: a synthetic accelerometer, see
      `adapt.data.recordings.synthetic_series`. They are no measurements.

    No window reaches over two recordings. Splits are drawn by subject, so that none is in two of them, and alike in
    all domains of a task; recordings without subjects are split by recording, or, where there are fewer than three, in
    ten pieces each. Windows of a file that names fewer than three subjects are drawn one by one: if they overlap, name
    subjects or give recordings.

    Args:
        source: One domain, or several to pool.
        target: The domain to adapt to.
        folder: Folder below the root that holds the files; the root itself when empty.
        length: Steps of a window; None where the files hold windows.
        stride: Steps from one window's start to the next one's; None for half a window.
        standardise: What means and standard deviations of each channel are taken from: the `source`'s training windows,
            for all domains; each domain's own training windows (`domains`), which is an adaptation in itself, of every
            row of a table, source-only included (AdaTime does so); each window (`samples`), which also takes a
            posture's angle and a movement's strength away; or `none`.
        classes: Names of the classes, where the files have none; by default their numbers.
        transductive: Train and test on the whole target, and validate and test on the held-out share of the source.
        test_fraction: Share of each domain, in subjects where they are known, that is its test set.
        **kwargs: See `DomainDataModule`.

    Raises:
        AdaptError: A domain is not there, cannot be read, or has other channels, lengths or classes than its partner;
            an argument is out of range.
    """

    rows_are_numbered_by_split = False

    def __init__(
        self,
        source: str | list[str] = "synthetic",
        target: str = "synthetic_turned",
        folder: str = "",
        length: int | None = None,
        stride: int | None = None,
        standardise: Literal["source", "domains", "samples", "none"] = "source",
        classes: Sequence[str] | None = None,
        transductive: bool = False,
        test_fraction: float = 0.2,
        **kwargs: Any,
    ) -> None:
        self.folder, self.length, self.stride = folder, length, stride
        self.standardise, self.classes = standardise, classes
        self.transductive, self.test_fraction = transductive, test_fraction
        self._statistics: dict[str, Statistics] = {}
        self._cuts: dict[str, Cut] = {}
        self._channels: tuple[str, ...] | None = None
        self._numbers: NDArray[np.int64] | None = None
        super().__init__(source, target, **kwargs)

    def _check_arguments(self) -> None:
        if not 0 < self.test_fraction < 1:
            raise AdaptError(f"Expected a test fraction between 0 and 1, found {self.test_fraction}.")
        if self.standardise == "source" and self.source_free:
            raise AdaptError(
                "Expected standardise domains, samples or none beside source_free, found source, which reads it."
            )
        names = [*self.sources, self.target]
        if not set(names) <= set(SYNTHETIC):
            self.data_path(self.folder, instructions=_INSTRUCTIONS)
        self.known_domains = [*self._files(), *SYNTHETIC]
        for name in names:
            self.check_domain(name)
        self.class_names = self._class_names()
        for name in names:  # the sources first: their channels are the order of all
            self._windows(name)
        self.input_shape = tuple(self._windows(self.target).x.shape[1:])
        super()._check_arguments()
        for name in self.sources:
            found = tuple(self._windows(name).x.shape[1:])
            if found != self.input_shape:
                raise AdaptError(
                    f"Expected windows of one shape (channels, length), found {found} in {name!r} and "
                    f"{self.input_shape} in {self.target!r}. Cut both alike (--data.length), with the same channels."
                )

    def check_domain(self, name: str) -> None:
        """Accept a file's name, and one with some of its subjects."""
        if name not in SYNTHETIC and _file_of(self.root / self.folder, name.partition("/")[0]) is None:
            super().check_domain(name)

    def domain_classes(self, name: str) -> Sequence[str]:
        """The class names of one domain, where its file has any."""
        own = self._recordings(name).class_names
        return list(own) if own and not self.classes else self.all_classes

    def label_names(self, name: str) -> Sequence[str]:
        """The classes that a domain's file numbers."""
        return self.domain_classes(name)

    def _train_windows(self, name: str) -> TensorDomain:
        """Training windows as they are, before they are standardised."""
        cut, at = self._windows(name), torch.tensor(self._rows(name, "train"), dtype=torch.long)
        return TensorDomain(cut.x[at], cut.y[at], cut.y[at] >= 0)

    def domain(self, name: str, split: Split) -> Dataset[tuple[Any, Any]]:
        """One split of a domain, the same for every seed of an experiment."""
        cut = self._windows(name)
        at = torch.tensor(self._rows(name, split), dtype=torch.long)
        y, labelled = cut.y[at], cut.y[at] >= 0
        return TensorDomain(self.standardised(cut.x[at], name), y, labelled)

    def standardised(self, x: Tensor, name: str) -> Tensor:
        """Windows `(N, channels, length)` of a domain, as the network sees them."""
        if self.standardise == "none":
            return x
        if self.standardise == "samples":
            std, mean = torch.std_mean(x, 2, correction=0, keepdim=True)
            return (x - mean) / scale(std, x, 2, keepdim=True)
        return self.statistics("source" if self.standardise == "source" else name).applied(x)

    def statistics(self, of: str) -> Statistics:
        """Means and standard deviations `(channels,)` of training windows.

        Args:
            of: `source` for all source domains together, or a domain's name.
        """
        if of not in self._statistics:
            names = self.sources if of == "source" else [of]
            taken = [self._taken(self._train_windows(name), name, "train") for name in names]
            x = torch.cat([part.x for part in taken if isinstance(part, TensorDomain)])
            self._statistics[of] = Statistics.of(x)
        return self._statistics[of]

    def sample_names(self, name: str, split: Split) -> Sequence[str]:
        """Rows of the file, or for windows of recordings the recording and the first step."""
        names = self._windows(name).names
        return [names[row] for row in self._rows(name, split)]

    def read_inputs(self, path: str | Path) -> tuple[Dataset[tuple[Any, Any]], list[str]]:
        """New windows from a file, standardised as in training, and what they are called.

        Args:
            path: A file as a domain's; labels in it are not looked at.

        Raises:
            AdaptError: It cannot be read, or has other windows than the network was trained on.
        """
        cut = self._cut(self._in_order(read_recordings(Path(path), self._channels), str(path)), pieces=False)
        if self.input_shape and tuple(cut.x.shape[1:]) != tuple(self.input_shape):
            raise AdaptError(
                f"Expected windows (channels, length) of {tuple(self.input_shape)}, those of the training, found "
                f"{tuple(cut.x.shape[1:])} in {path}."
            )
        return TensorDomain(self.standardised(cut.x, self.target), None), cut.names

    def prepare(self, inputs: Any) -> Inputs:
        """Windows that a person has in Python, standardised as in training.

        Args:
            inputs: An array or tensor `(N, channels, length)`.
        """
        x = torch.as_tensor(np.asarray(inputs), dtype=torch.float32)
        if x.ndim != 3 or (self.input_shape and tuple(x.shape[1:]) != tuple(self.input_shape)):
            raise AdaptError(
                f"Expected windows (N, {', '.join(map(str, self.input_shape))}), found {tuple(x.shape)}. One alone is "
                "x[None]."
            )
        return Inputs(self.standardised(x, self.target))

    def state_dict(self) -> dict[str, Any]:
        """What the base keeps, and the statistics, so that new windows are standardised without the training data."""
        kept = {"source": "source", "domains": self.target}.get(self.standardise)
        statistics = {} if kept is None else {kept: self.statistics(kept).plain()}
        channels = None if self._channels is None else list(self._channels)
        return super().state_dict() | {"statistics": statistics, "channels": channels}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the statistics."""
        super().load_state_dict(state_dict)
        self._statistics |= {name: Statistics.of_plain(v) for name, v in state_dict.get("statistics", {}).items()}
        if channels := state_dict.get("channels"):
            self._channels = tuple(channels)

    def _files(self) -> list[str]:
        folder = self.root / self.folder
        return series_domains(folder) if folder.is_dir() else []

    def _class_names(self) -> list[str]:
        if self.classes:
            return [str(name) for name in self.classes]
        found = [self._recordings(name) for name in self.sources]
        if named := [file.class_names for file in found if file.class_names]:
            return list(named[0])
        if not any((file.y >= 0).any() for file in found):
            there = ", ".join(found[0].columns or ()) or "x"
            raise AdaptError(
                f"Expected labels of the source {self.sources[0]!r} as `y` or `label`, found {there} alone."
            )
        used = [self._recordings(name).y for name in dict.fromkeys([*self.sources, self.target])]
        labels = np.unique(np.concatenate(used))
        labels = labels[labels >= 0]
        if not len(labels) or labels[0] == 0:
            return [str(k) for k in range(1 + max(int(file.y.max()) for file in found))]
        # Labels from 1 on, or codes such as 10 and 20, are names: counted from 0 there would be classes of nothing.
        self._numbers = labels
        return [str(label) for label in labels.tolist()]

    def _recordings(self, name: str) -> Recordings:
        if name in SYNTHETIC:
            x, y, group, _ = synthetic_series(name)
            return Recordings(x, y, SYNTHETIC_CLASSES, group, None, None)
        stem, _, groups = name.partition("/")
        path = _file_of(self.root / self.folder, stem)
        if path is None:
            super().check_domain(name)
        assert path is not None  # the check has refused it
        beside = _beside(path)
        whole = _read(path, beside, max(each.stat().st_mtime_ns for each in (path, beside or path)))
        return _of_groups(whole, unicodedata.normalize("NFC", groups).split("+"), name) if groups else whole

    def _windows(self, name: str) -> Cut:
        if name not in self._cuts:
            found = self._in_order(self._recordings(name), repr(name))
            self._channels = self._channels or found.columns
            cut = self._cut(found)
            if self._numbers is not None and not found.class_names:
                y = torch.from_numpy(np.searchsorted(self._numbers, cut.y.numpy()))
                cut = cut._replace(y=torch.where(cut.y < 0, cut.y, y))
            self._cuts[name] = cut
        return self._cuts[name]

    def _in_order(self, found: Recordings, where: str) -> Recordings:
        """Channels by their names, as the first table has them."""
        at = order_of(self._channels, found.columns, where)
        return found if at is None else found._replace(x=found.x[:, at], columns=self._channels)

    def _cut(self, found: Recordings, pieces: bool = True) -> Cut:
        """Windows of recordings; `pieces`: of few recordings, parts of each go to other splits, and share no window."""
        if found.x.ndim == 3:
            channels, length = found.x.shape[1:]
            if channels > length:
                warnings.warn(
                    f"Windows have {channels} channels of {length} steps, as (N, channels, length) says. If they are "
                    f"{length} channels, swap the axes: x.transpose(0, 2, 1).",
                    stacklevel=2,
                )
            windows = torch.from_numpy(np.ascontiguousarray(found.x, dtype=np.float32))
            names = [str(row) for row in range(len(windows))]
            return Cut(windows, torch.from_numpy(found.y), found.group, found.split, names)
        if self.length is None:
            raise AdaptError(
                f"Expected windows (N, channels, length), found steps (T, channels) of shape {found.x.shape}. "
                "Say how long windows are to be: --data.length 128."
            )
        recording = np.zeros(len(found.x), "U1") if found.recording is None else found.recording
        group = found.group if found.group is not None else recording
        if pieces and len(np.unique(group)) < 3:
            recording = group = _pieces(recording)
        x, y, starts = cut_windows(found.x, found.y, recording, self.length, self.stride or max(1, self.length // 2))
        names = [f"{recording[at]}:{at}".lstrip(":") for at in starts]
        return Cut(torch.from_numpy(x), torch.from_numpy(y), group[starts], None, names)

    def _rows(self, name: str, split: Split) -> list[int]:
        cut = self._windows(name)
        every = list(range(len(cut.y)))
        if self.transductive and name == self.target:
            return every
        if self.transductive:
            return self._share(every, cut.group, self.val_fraction, "val")[split != "train"]
        if cut.split is None and (found := self._shared_rows(name)):
            return found[split].tolist() if split in found else []
        if cut.split is not None:
            test = [row for row in every if cut.split[row] == "test"]
            rest = [row for row in every if cut.split[row] != "test"]
        else:
            rest, test = self._share(every, cut.group, self.test_fraction, "test")
        if split == "test":
            return test
        return self._share(rest, cut.group, self.val_fraction, "val")[split == "val"]

    def _shared_rows(self, name: str) -> dict[Split, Tensor]:
        """Rows by split where domains share some subjects; of the same or of other ones each cuts by itself."""
        used = {name: self._windows(name) for name in dict.fromkeys([*self.sources, self.target])}
        members = [set(cut.group.tolist()) for cut in used.values() if cut.group is not None]
        if len(members) < 2 or all(own == members[0] for own in members):
            return {}
        groups = {name: None if cut.group is None else as_texts(cut.group) for name, cut in used.items()}
        splits = {name: None if cut.split is None else as_texts(cut.split) for name, cut in used.items()}
        return shared_rows(name, groups, splits, self.test_fraction, self.val_fraction, self.split_seed)

    def _share(
        self, rows: list[int], group: NDArray[Any] | None, fraction: float, purpose: str
    ) -> tuple[list[int], list[int]]:
        """The rows without and with a share that is held out, in whole groups where there are two or more."""
        names = sorted({str(group[row]) for row in rows}) if group is not None else []
        if group is None or len(names) < (3 if purpose == "test" else 2):
            order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(self.split_seed)).tolist()
            held = max(1, round(fraction * len(rows)))
            return [rows[at] for at in order[held:]], [rows[at] for at in order[:held]]
        # By a name's own number, so that one subject is held out in all domains that have it.
        names.sort(key=lambda name: hashlib.sha256(f"{self.split_seed} {name}".encode()).digest())
        out = set(names[: max(1, round(fraction * len(names)))])
        return [row for row in rows if str(group[row]) not in out], [row for row in rows if str(group[row]) in out]


def series_domains(folder: Path) -> list[str]:
    """Names of the domains whose files lie in a folder."""
    files = [path for path in folder.iterdir() if path.is_file() and path.name[0] not in "._"]
    adatime = {path.stem.removeprefix("train_") for path in files if path.match("train_*.pt")}
    return sorted({name_and_ending(path)[0] for path in files if is_of(path, ENDINGS)} | adatime)


def read_recordings(path: Path, channels: Sequence[str] | None = None) -> Recordings:
    """Windows or recordings from a file.

    Args:
        path: The file.
        channels: Of a table, the columns that are its channels; all that have no other meaning when None.

    Raises:
        AdaptError: It is not there, cannot be read, or lacks `x`.
    """
    if not path.is_file():
        raise AdaptError(f"Expected series at {path}, found no file there. {_INSTRUCTIONS}")
    if is_of(path, (".pt",)):
        return _adatime([("train", path)])
    columns = load_arrays(path, ("x", "y", "class_names", "recording", *_GROUPS))
    if columns.keys() >= {"label", "y"}:
        raise AdaptError(
            f"Expected one column of labels in {path}, found label and y. Drop one, or rename it if it is a channel."
        )
    columns |= {"y": columns.pop("label")} if "label" in columns else {}
    columns, named = _steps(columns, path, channels) if is_of(path, _TABLES) else (columns, None)
    if "x" not in columns:
        raise AdaptError(f"Expected an array x in {path}, found {described(columns)}. {_INSTRUCTIONS}")
    x = columns["x"]
    if x.ndim not in (2, 3) or not len(x) or x.dtype.kind not in "fiub":
        raise AdaptError(f"Expected x as numbers of 2 or 3 dimensions in {path}, found {x.dtype} {x.shape}.")
    group = next((columns[name] for name in _GROUPS if name in columns), None)
    each = {"y": columns.get("y"), "subject": group, "recording": columns.get("recording")}
    for name, values in each.items():
        if values is not None and values.reshape(-1).shape != (len(x),):
            raise AdaptError(
                f"Expected {name} with {len(x)} values, one for each of x, in {path}, found {values.shape}."
            )
    names = (
        tuple(np.char.strip(as_texts(columns["class_names"].reshape(-1))).tolist()) if "class_names" in columns else ()
    )
    y = np.full(len(x), -1) if each["y"] is None else each["y"].reshape(-1)
    if y.dtype.kind not in "iuf":
        texts = np.char.strip(as_texts(y)).tolist()
        own = sorted(set(texts) - {""})
        names = names or tuple(own)
        if odd := [text for text in own if text not in names]:
            raise AdaptError(f"Expected labels out of {', '.join(names)} in {path}, found {odd[0]!r}.")
        y = np.array([names.index(text) if text else -1 for text in texts])
    if y.dtype.kind == "f" and np.isinf(y).any():
        raise AdaptError(f"Expected class indices as y in {path}, found infinity: number the classes from 0.")
    if y.dtype.kind == "f" and not np.array_equal(np.nan_to_num(y, nan=-1), np.round(np.nan_to_num(y, nan=-1))):
        raise AdaptError(f"Expected class indices as y in {path}, found fractions: number the classes from 0.")
    y = np.nan_to_num(y, nan=-1).astype(np.int64)
    # As texts that do not depend on the format: subject 1 of a MATLAB file, whose numbers are floats, is no other one.
    as_text = {name: None if values is None else _composed(values.reshape(-1)) for name, values in each.items()}
    recording = as_text["recording"]
    if x.ndim == 2 and (recording is not None or group is not None):
        recording = _runs([values for values in (as_text["subject"], recording) if values is not None])
    return Recordings(x, y, names, as_text["subject"], recording, None, named)


def _composed(names: NDArray[Any]) -> NDArray[Any]:
    """Entries as texts, with accents in one form: a ü that is written as u and dots makes no other subject."""
    return np.array([unicodedata.normalize("NFC", name.strip()) for name in as_texts(names).tolist()], dtype=str)


def _runs(names: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """A name for each stretch of steps in which nothing changes: two people's Mondays are two recordings."""
    joined = np.array([" ".join(parts) for parts in zip(*names, strict=True)])
    begins = np.flatnonzero(np.append(True, joined[1:] != joined[:-1]))
    seen: dict[str, int] = {}
    runs = np.empty(len(joined), object)
    for begin, end in zip(begins, np.append(begins[1:], len(joined)), strict=True):
        name = str(joined[begin])
        seen[name] = seen.get(name, 0) + 1
        runs[begin:end] = name if seen[name] == 1 else f"{name} ({seen[name]})"
    return runs.astype(str)


def _steps(
    columns: dict[str, NDArray[Any]], path: Path, wanted: Sequence[str] | None
) -> tuple[dict[str, NDArray[Any]], tuple[str, ...] | None]:
    """A table's rows as steps, and its channels' names: columns that have no other meaning are channels."""
    columns = _without_clock(columns, path, wanted or ())
    known = {"y", "recording", *_GROUPS}
    channels = wanted_columns(
        {name: values for name, values in columns.items() if name not in known}, wanted, str(path)
    )
    if odd := [name for name in channels if name.lower() in {"label", "recording", *_GROUPS}]:
        small = odd[0].lower()
        raise AdaptError(f"Expected `{small}` in small letters in {path}, found {odd[0]!r}, a channel then: rename it.")
    if odd := [name for name, values in channels.items() if values.dtype.kind not in "fiub"]:
        raise AdaptError(f"Expected numbers as channels in {path}, found the column {odd[0]!r}: drop or number it.")
    kept = {name: values for name, values in columns.items() if name in known}
    if not channels:
        return kept, None
    return kept | {"x": np.stack([values.astype(np.float32) for values in channels.values()], 1)}, tuple(channels)


def _without_clock(columns: dict[str, NDArray[Any]], path: Path, wanted: Sequence[str]) -> dict[str, NDArray[Any]]:
    """What is left without columns of the time: a network would tell domains and days by them."""
    clocks = [name for name in columns if _CLOCK.fullmatch(name.strip()) and name not in wanted]
    if not clocks:
        return columns
    kept = {name: values for name, values in columns.items() if name not in clocks}
    parted, values = "", columns[clocks[0]].reshape(-1)
    if "recording" not in columns and values.dtype.kind in "fiu":
        # Not their difference: of numbers without a sign it is never negative.
        falls = np.append(False, values[1:] < values[:-1])
        if falls.any():
            kept["recording"] = falls.cumsum()
            parted = f"; it falls {falls.sum()} times, where another recording begins"
    warnings.warn(
        f"Left out {', '.join(map(repr, clocks))} of {path.name}, a clock and no channel{parted}. If it is one, rename "
        "it.",
        stacklevel=2,
    )
    return kept


def _adatime(files: Sequence[tuple[str, Path]]) -> Recordings:
    parts = [(split, *read_adatime(path)) for split, path in files]
    channels = min(parts[0][1].shape[1:])
    x = np.concatenate([channels_first(part, channels) for _, part, _ in parts])
    y = np.concatenate([labels for _, _, labels in parts])
    split = np.concatenate([np.full(len(labels), name) for name, _, labels in parts])
    return Recordings(x, y, (), None, None, split)


def _file_of(folder: Path, stem: str) -> Path | None:
    own, adatime = file_of(folder, stem, ENDINGS), folder / f"train_{stem}.pt"
    if own is not None and adatime.is_file():
        raise AdaptError(f"Expected one file of {stem!r}, found {own.name} and {adatime.name}. Remove one.")
    return adatime if own is None and adatime.is_file() else own


def _of_groups(whole: Recordings, groups: Sequence[str], name: str) -> Recordings:
    if whole.group is None:
        raise AdaptError(f"Expected subjects for {name!r}, found a file that names none: add an array `subject`.")
    if missing := sorted(set(groups) - set(whole.group)):
        known = ", ".join(sorted(set(whole.group), key=lambda text: (len(text), text)))
        raise AdaptError(f"Expected subjects of {name!r} out of {known}, found {', '.join(missing)}.")
    at = np.isin(whole.group, groups)
    return whole._replace(
        x=whole.x[at],
        y=whole.y[at],
        group=whole.group[at],
        recording=None if whole.recording is None else whole.recording[at],
    )


def _pieces(recording: NDArray[Any]) -> NDArray[Any]:
    """Each recording in ten pieces of equal length, in the order of time."""
    pieces = np.empty(len(recording), object)
    for name in dict.fromkeys(recording.tolist()):
        at = np.flatnonzero(recording == name)
        for piece, part in enumerate(np.array_split(at, _PIECES)):
            pieces[part] = f"{name} part {piece}".strip()
    return pieces.astype(str)


def _beside(path: Path) -> Path | None:
    """AdaTime's test file beside its training file; None for other files."""
    if path.suffix != ".pt":
        return None
    test = path.with_name(f"test_{path.name.removeprefix('train_')}")
    if not test.is_file():
        raise AdaptError(f"Expected AdaTime's {test.name} beside {path}, found none.")
    return test


@lru_cache(maxsize=16)
def _read(path: Path, beside: Path | None, changed: int) -> Recordings:
    return read_recordings(path) if beside is None else _adatime([("train", path), ("test", beside)])
