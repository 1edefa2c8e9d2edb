"""Domains that are arrays already."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from adapt.data.array_files import as_texts, from_frame
from adapt.data.base import Split, standing_alone
from adapt.data.named_columns import NamedColumns
from adapt.data.views import TensorDomain, as_inputs
from adapt.errors import AdaptError
from adapt.problems import Classification
from adapt.trees import leaves


class InMemory(NamedColumns):
    """A source and a target that a person has as arrays; the target needs no labels.

    A tenth of each domain (`val_fraction`) is held out from training, for scores and estimates; that share is the test
    set, too. The source's held-out share is drawn with `split_seed`.

    Args:
        xs: Source inputs `(N, ...)`, numbers; images as bytes `(N, C, H, W)`; or a DataFrame.
        ys: Source labels `(N,)`: class indices, or texts.
        xt: Target inputs `(M, ...)`, as the source's. Of two DataFrames columns are taken by their names.
        yt: Target labels `(M,)`, read by evaluation alone; None where there are none.
        names: Names of the classes; when None their numbers, or the source's texts, sorted.
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
            self.class_names = tuple(str(k) for k in range(int(torch.as_tensor(_plain(ys)).max()) + 1))
        self._arrays = {"source": (xs, ys), "target": (xt, yt)}
        super().__init__("source", "target", **kwargs)

    def _check_arguments(self) -> None:
        for name, (x, y) in self._arrays.items():
            if x is None or (y is None and name == "source"):
                raise AdaptError("Expected arrays xs, ys and xt, found none. A loaded run can predict, not train.")
            inputs = as_inputs(from_frame(x, self._columns, f"the {name}"))
            if name == "source" and (given := getattr(x, "columns", None)) is not None:
                self._columns = tuple(map(str, given))
            self._domains[name] = TensorDomain(inputs, *self._labels(y, name))
        shapes = {tuple(leaf.shape[1:]) for leaf in leaves(self._domains["source"].x)}
        self.input_shape = next(iter(shapes)) if len(shapes) == 1 else ()
        super()._check_arguments()

    def domain(self, name: str, split: Split) -> Dataset[tuple[Any, Any]]:
        """The training share, or the one that is held out."""
        return self.holdout(self._domains[name], "train" if split == "train" else "val")

    def _labels(self, y: Any, name: str) -> tuple[Any, Any]:
        """Labels as class indices, and which samples have one, where they are texts; else as they are."""
        if y is None or not _is_text(y):
            return (None if y is None else _plain(y)), None
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


def _plain(labels: Any) -> Any:
    # A pandas series is read by its index, which may not begin at 0.
    return np.array(labels) if hasattr(labels, "to_numpy") else labels
