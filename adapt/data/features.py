"""Features of a frozen backbone, computed once by `adapt features` and kept in memory."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from adapt.data.array_files import described, load_arrays, read_arrays
from adapt.data.base import Split
from adapt.data.checks import labels_of
from adapt.data.standardised import StandardisedDataModule
from adapt.data.statistics import Statistics
from adapt.data.views import Inputs, TensorDomain, in_memory
from adapt.errors import AdaptError

_INSTRUCTIONS = "`adapt features` writes them there from image folders."


class FeatureFile(NamedTuple):
    """What `<domain>.npz` holds: every sample of a domain, whatever a run makes of them.

    Attributes:
        features: The backbone's output `(N, d)`, float32.
        labels: Class indices `(N,)`, int64; None of a domain without labels.
        class_names: Names of the K classes.
        files: The images' paths below the domain's folder `(N,)`, in the order of `ImageFolders`.
        settings: What the features depend on, as JSON.
    """

    features: NDArray[np.float32]
    labels: NDArray[np.int64] | None
    class_names: NDArray[np.str_]
    files: NDArray[np.str_]
    settings: NDArray[np.str_]


class Features(StandardisedDataModule):
    """Vectors found on disk as `<root>/<folder>/<domain>.npz`, for `Identity` with a bottleneck, or for `MLP`.

    The splits are those that `ImageFolders` makes of the same images with the same `split_seed`: disjoint training,
    validation and test sets, or, with `transductive`, the whole target for all three and the held-out share of the
    source for both its validation and its test.

    Args:
        source: One domain, or several to pool.
        target: The domain to adapt to.
        folder: Folder below the root that holds the files; the root itself when empty.
        transductive: Train and test on the whole target, but for the few samples whose labels `shots` trains on.
        standardise: Subtract means and divide by standard deviations per feature: of the `source`'s training samples,
            for both domains; of each domain's own (`domains`), as CORAL's and subspace alignment's authors do, which
            is an adaptation in itself, of every row of a table, source-only included; or `none`.
        test_fraction: Share of each domain that is its test set; without meaning when `transductive`.
        **kwargs: See `DomainDataModule`.

    Raises:
        AdaptError: A domain is not there, cannot be read, has other classes or another width than its partner, or an
            argument is out of range.
    """

    def __init__(
        self,
        source: str | list[str],
        target: str,
        folder: str = "",
        transductive: bool = False,
        standardise: Literal["none", "source", "domains"] = "none",
        test_fraction: float = 0.2,
        **kwargs: Any,
    ) -> None:
        self.folder, self.transductive = folder, transductive
        self.standardise, self.test_fraction = standardise, test_fraction
        self._statistics: dict[str, Statistics] = {}
        super().__init__(source, target, **kwargs)

    def _check_arguments(self) -> None:
        if not 0 < self.test_fraction < 1:
            raise AdaptError(f"Expected a test fraction between 0 and 1, found {self.test_fraction}.")
        if self.standardise not in ("none", "source", "domains"):
            raise AdaptError(f"Expected standardise none, source or domains, found {self.standardise!r}.")
        self._refuse_source_statistics()
        folder = self.data_path(self.folder, instructions=f"Features lie there as <domain>.npz; {_INSTRUCTIONS}")
        self.known_domains = sorted(path.stem for path in folder.glob("[!.]*.npz"))
        if not self.known_domains:
            raise AdaptError(f"Expected features as <domain>.npz in {folder}, found none. {_INSTRUCTIONS}")
        self.check_domain(self.target)
        self.class_names = self.label_names((*self.sources, self.target)[0])
        self.input_shape = self._width(self.target)
        super()._check_arguments()
        for name in self.sources:
            if self._width(name) != self.input_shape:
                raise AdaptError(
                    f"Expected features of one width, found {self._width(name)[0]} in {name!r} and "
                    f"{self.input_shape[0]} in {self.target!r}. Extract both with one backbone."
                )

    def label_names(self, name: str) -> list[str]:
        """The class names of a domain's file, which its labels number."""
        return [str(k) for k in self._read(name).class_names]

    def domain_classes(self, name: str) -> list[str]:
        """The classes of a domain's file that it has samples of; all where it has no labels, or odd ones."""
        file = self._read(name)
        names = [str(k) for k in file.class_names]
        if file.labels is None:
            return names
        there = set(file.labels.tolist())
        # Labels that are none are refused when the domain is read.
        return [name for k, name in enumerate(names) if k in there] if there <= set(range(len(names))) else names

    def domain(self, name: str, split: Split) -> Dataset[tuple[Any, Any]]:
        """One split of a domain, the same for every seed of an experiment."""
        part = self._split(name, split)
        if self.standardise == "none":
            return part
        x, _ = _tensors(part)
        labels = labels_of(part)
        return TensorDomain(self.standardised(x, name), labels.y, labels.known)

    def sample_names(self, name: str, split: Split) -> Sequence[str]:
        """The images' paths, as `<domain>/<class>/<image>`."""
        file = self._read(name)
        numbered = TensorDomain(torch.arange(len(file.features)), None)
        rows, _ = _tensors(self._cut(numbered, name, split))
        return [f"{name}/{file.files[row]}" for row in rows.tolist()]

    def read_inputs(self, path: str | Path) -> tuple[Dataset[tuple[Any, Any]], list[str]]:
        """The rows of a file that `adapt features` wrote, or of any other arrays, standardised as the target is."""
        holds = load_arrays(Path(path))
        x, index = ("features", "files") if "features" in holds else ("x", "index")
        found = read_arrays(path, x=x, index=index)
        if found.x.shape[1:] != tuple(self.input_shape):
            raise AdaptError(
                f"Expected features {tuple(self.input_shape)} in {path}, as in training, found {found.x.shape[1:]}. "
                "Extract them with the same backbone."
            )
        return TensorDomain(self.standardised(torch.from_numpy(found.x), self.target), None), found.names

    def prepare(self, inputs: Any) -> Inputs:
        """Features that a person has in Python, standardised as the target is."""
        found = super().prepare(inputs)
        return found if self.standardise == "none" else Inputs(self.standardised(found.x.float(), self.target))

    def inputs_path(self, name: str) -> Path | None:
        """The domain's file."""
        return self.root / self.folder / f"{name}.npz"

    def training_inputs(self, name: str) -> Tensor:
        """The kept training features of a domain."""
        return _tensors(self._taken(self._split(name, "train"), name, "train"))[0]

    def _split(self, name: str, split: Split) -> Dataset[tuple[Any, Any]]:
        file = self._read(name)
        labels = None if file.labels is None else torch.from_numpy(file.labels)
        return self._cut(TensorDomain(torch.from_numpy(file.features), labels), name, split)

    def _cut(self, whole: TensorDomain, name: str, split: Split) -> Dataset[tuple[Any, Any]]:
        if self.transductive:
            return whole if name == self.target else self.holdout(whole, "train" if split == "train" else "val")
        order = torch.randperm(len(whole), generator=torch.Generator().manual_seed(self.split_seed))
        held = max(1, round(self.test_fraction * len(whole)))
        at = order[:held] if split == "test" else order[held:]
        part = whole.at(at)
        return part if split == "test" else self.holdout(part, split)

    def _read(self, name: str) -> FeatureFile:
        path = self.root / self.folder / f"{name}.npz"
        if not path.is_file():  # the base names it, with what it was probably meant to be
            self.check_domain(name)
        return _cached(path.resolve(), path.stat().st_mtime_ns)

    def _width(self, name: str) -> tuple[int, ...]:
        return self._read(name).features.shape[1:]


def read_features(path: Path) -> FeatureFile:
    """One domain's file.

    Raises:
        AdaptError: It cannot be read, or does not hold what `adapt features` writes.
    """
    try:
        arrays = load_arrays(path)
        if missing := [name for name in FeatureFile._fields if name != "labels" and name not in arrays]:
            raise AdaptError(f"Expected {', '.join(missing)} in it, found {described(arrays)}.")
        found = FeatureFile(**{name: arrays.get(name) for name in FeatureFile._fields})  # type: ignore[arg-type]  # those that may not be None were looked for
    except AdaptError as error:
        raise AdaptError(
            f"Expected features at {path}, could not read them ({error}). Remove the file and run `adapt features` "
            "again; arrays of your own are read by --data Arrays."
        ) from error
    x, y = found.features, np.zeros(len(found.features)) if found.labels is None else found.labels
    numbers = x.dtype.kind in "fiub" and y.dtype.kind in "fiub"
    if x.ndim != 2 or y.ndim != 1 or len(x) != len(y) or not numbers:
        raise AdaptError(
            f"Expected features (N, d) and labels (N,) in {path}, found {x.dtype} {x.shape} and {y.dtype} {y.shape}. "
            "Remove the file and run `adapt features` again."
        )
    if found.class_names.ndim != 1:
        raise AdaptError(f"Expected class_names as a list of names in {path}, found {found.class_names!r}.")
    return found._replace(features=found.features.astype(np.float32, copy=False))


@lru_cache(maxsize=8)
def _cached(path: Path, changed: int) -> FeatureFile:
    return read_features(path)


def _tensors(dataset: Dataset[Any]) -> tuple[Tensor, Tensor]:
    found = in_memory(dataset)
    assert found is not None  # every split of this datamodule lies in memory
    return found
