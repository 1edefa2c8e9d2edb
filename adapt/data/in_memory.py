"""Domains that are arrays already."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from adapt.data.array_files import as_texts, from_frame
from adapt.data.base import Split, standing_alone
from adapt.data.labels import is_missing
from adapt.data.named_columns import NamedColumns
from adapt.data.views import TensorDomain, as_inputs, refuse_unlabelled
from adapt.errors import AdaptError
from adapt.problems import Classification
from adapt.trees import leaves

_MOST_CLASSES = 10**6
"""Labels beyond it are refused by the first number that nobody has."""


class InMemory(NamedColumns):
    """A source and a target that a person has as arrays; the target needs no labels.

    A tenth of each domain (`val_fraction`) is held out from training, for scores and estimates; that share is the test
    set, too. The source's held-out share is drawn with `split_seed`.

    Args:
        xs: Source inputs `(N, ...)`, numbers; images as bytes `(N, C, H, W)`, channels first
            (`x.transpose(0, 3, 1, 2)`); or a DataFrame.
        ys: Source labels `(N,)`: class indices from 0, or texts.
        xt: Target inputs `(M, ...)`, as the source's. Of two DataFrames columns are taken by their names.
        yt: Target labels `(M,)`, read by evaluation alone; None where there are none. NaN, None or −1 stand for a
            sample without one.
        names: Names of the classes, whose indices the labels are; when None their numbers, each of which some sample
            has, or the source's texts, sorted.
        **kwargs: See `DomainDataModule`.

    Raises:
        AdaptError: The arrays do not fit each other.
    """

    known_domains = ("source", "target")
    training_only = ("xs", "ys", "xt", "yt")

    def __init__(
        self,
        xs: Any = None,
        ys: Any = None,
        xt: Any = None,
        yt: Any = None,
        names: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        self._domains: dict[str, TensorDomain] = {}
        if names is not None:
            self.class_names = tuple(map(str, names))
        elif ys is not None and _is_text(ys):
            self.class_names = tuple(sorted(set(as_texts(np.asarray(ys)).tolist()) - {""}))
        elif ys is not None:
            self.class_names = _numbered(ys, yt)
        self._arrays = {"source": (xs, ys), "target": (xt, yt)}
        super().__init__("source", "target", **kwargs)

    def _check_arguments(self) -> None:
        for name, (x, y) in self._arrays.items():
            if x is None or (y is None and name == "source"):
                raise AdaptError("Expected arrays xs, ys and xt, found none. A loaded run can predict, not train.")
            inputs = as_inputs(from_frame(x, self._columns, f"the {name}"))
            if name == "source" and (given := getattr(x, "columns", None)) is not None:
                self._columns = tuple(map(str, given))
            labels, known = self._labels(y, name)
            if name == "source" and known is not None:
                refuse_unlabelled(known, "the source")
            self._domains[name] = TensorDomain(inputs, labels, known)
        shapes = {tuple(leaf.shape[1:]) for leaf in leaves(self._domains["source"].x)}
        self.input_shape = next(iter(shapes)) if len(shapes) == 1 else ()
        super()._check_arguments()

    def domain(self, name: str, split: Split) -> Dataset[tuple[Any, Any]]:
        """The training share, or the one that is held out."""
        return self.holdout(self._domains[name], "train" if split == "train" else "val")

    def _labels(self, y: Any, name: str) -> tuple[Any, Any]:
        """Labels as class indices, and which samples have one; None for that where all have."""
        if y is None:
            return None, None
        if not _is_text(y):
            return _indices(y, marked=name == "target")
        texts = as_texts(np.asarray(y))
        number = {each: k for k, each in enumerate(self.class_names)}
        if odd := sorted(set(texts.tolist()) - {"", *number}):
            raise AdaptError(
                f"Expected labels of the {name} out of {', '.join(self.class_names)}, found {', '.join(odd[:5])}. "
                "Rename them, or leave these samples out."
            )
        return torch.tensor([number.get(text, -1) for text in texts.tolist()]), torch.from_numpy(texts != "")

    def every_split(self) -> Sequence[Split]:
        """Validation and test are one share."""
        return ("train", "test")

    @classmethod
    def for_prediction(cls, names: Sequence[Any], shape: tuple[int, ...]) -> "InMemory":
        """A datamodule without data, which prepares inputs of a shape.

        Args:
            names: Names of the classes.
            shape: Of one input.
        """
        classes = [str(name) for name in names]
        state = {
            "order_seed": 0,
            "fixed": {"class_names": classes},
            "input_shape": list(shape),
            "problem": Classification(classes).describe(),
        }
        with standing_alone(state):
            return cls(names=classes)


def _is_text(labels: Any) -> bool:
    """Whether labels are texts, with or without gaps."""
    kind = "f" if isinstance(labels, torch.Tensor) else np.asarray(labels).dtype.kind
    return kind in "US" or (kind == "O" and any(isinstance(label, str | bytes) for label in labels))


def _indices(labels: Any, marked: bool) -> tuple[Any, torch.Tensor | None]:
    """Labels that are numbers, and which samples have one: NaN and None are none, and −1 where `marked`."""
    values = _plain(labels)
    array = values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else np.asarray(values)
    if array.ndim != 1 or array.dtype.kind not in "ifO":
        return values, None
    entries = array.tolist()
    known = np.array([not (is_missing(each) or (marked and each == -1)) for each in entries], dtype=bool)
    if known.all():
        return (np.array(entries) if array.dtype.kind == "O" else values), None
    kept = np.array([each for each, has in zip(entries, known, strict=True) if has])
    found = np.zeros(len(array), kept.dtype if kept.size else np.int64)
    found[known] = kept
    return found, torch.from_numpy(known)


def _numbered(ys: Any, yt: Any) -> tuple[str, ...]:
    """Numbers of the classes, from 0 to the highest of the source.

    Raises:
        AdaptError: Nobody has one of them, as where labels start at 1.
    """
    y, known = _indices(ys, marked=False)
    # What are no indices, the problem refuses.
    there = torch.as_tensor(y) if known is None else torch.as_tensor(y)[known]
    if there.is_floating_point():
        there = there[there.isfinite()]
    highest = int(there.max()) if there.numel() else -1
    seen = set(torch.unique(there).tolist())
    if yt is not None and not _is_text(yt):
        others, has = _indices(yt, marked=True)
        seen |= set(np.unique(np.asarray(others) if has is None else np.asarray(others)[has.numpy()]).tolist())
    absent = sorted(set(range(min(highest, _MOST_CLASSES) + 1)) - seen)
    if absent and min(seen) >= 0:
        found = ", ".join(str(k) for k in sorted(seen)[:5])
        raise AdaptError(
            f"Expected labels that number the classes from 0, found {found}, and none of {absent[0]}. Renumber them "
            "(np.unique(ys, return_inverse=True)[1]), give texts (ys.astype(str)), or name every class: names=[...]."
        )
    return tuple(str(k) for k in range(highest + 1))


def _plain(labels: Any) -> Any:
    # A pandas series is read by its index, which may not begin at 0.
    return np.array(labels) if hasattr(labels, "to_numpy") else labels
