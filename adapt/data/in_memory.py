"""Domains that are arrays already."""

from collections.abc import Sequence
from typing import Any

import torch
from torch.utils.data import Dataset

from adapt.data.base import DomainDataModule, Split, standing_alone
from adapt.data.views import TensorDomain, as_inputs
from adapt.errors import AdaptError
from adapt.problems import Classification
from adapt.trees import leaves


class InMemory(DomainDataModule):
    """A source and a target that a person has as arrays; the target needs no labels.

    A tenth of each domain (`val_fraction`) is held out from training, for scores and estimates; that share is the test
    set, too. The source's held-out share is drawn with `split_seed`.

    Args:
        xs: Source inputs `(N, ...)`, numbers; images as bytes `(N, C, H, W)`.
        ys: Source labels `(N,)`: class indices.
        xt: Target inputs `(M, ...)`, as the source's.
        yt: Target labels `(M,)`, read by evaluation alone; None where there are none.
        names: Names of the classes; their numbers when None.
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
        self._arrays = {"source": (xs, ys), "target": (xt, yt)}
        self._domains: dict[str, TensorDomain] = {}
        if names is not None:
            self.class_names = tuple(map(str, names))
        elif ys is not None:
            self.class_names = tuple(str(k) for k in range(int(torch.as_tensor(ys).max()) + 1))
        super().__init__("source", "target", **kwargs)

    def _check_arguments(self) -> None:
        for name, (x, y) in self._arrays.items():
            if x is None or (y is None and name == "source"):
                raise AdaptError("Expected arrays xs, ys and xt, found none. A loaded run can predict, not train.")
            inputs = as_inputs(x)
            self._domains[name] = TensorDomain(inputs, y)
        shapes = {tuple(leaf.shape[1:]) for leaf in leaves(self._domains["source"].x)}
        self.input_shape = next(iter(shapes)) if len(shapes) == 1 else ()
        super()._check_arguments()

    def domain(self, name: str, split: Split) -> Dataset[tuple[Any, Any]]:
        """The training share, or the one that is held out."""
        return self.holdout(self._domains[name], "train" if split == "train" else "val")

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
