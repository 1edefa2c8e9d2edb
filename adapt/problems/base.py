"""The contract of a problem: what the labels of a task pose."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torchmetrics import Metric, MetricCollection

from adapt.errors import AdaptError

Reduction = Literal["mean", "none"]


class Problem(ABC):
    """What is predicted from an input: classes, several labels at once, or numbers.

    A subclass says how the network's last layer looks, which loss teaches it, which metrics judge it and what a
    prediction holds. The first metric is the headline: tables and the rules `source_<headline>` and `oracle` go by it.

    Attributes:
        names: Names of the outputs: classes, labels or target quantities.
        probabilities: Whether each output vector is a distribution over classes, which some methods need.
    """

    kind: ClassVar[str] = ""
    probabilities: ClassVar[bool] = False

    def __init__(self, names: Sequence[str]) -> None:
        if not names:
            raise AdaptError(f"{type(self).__name__} expects at least one output, found none.")
        self.names = tuple(str(name) for name in names)

    @property
    def num_outputs(self) -> int:
        """Width K of the output layer."""
        return len(self.names)

    def output_layer(self, num_features: int) -> nn.Module:
        """The layer from features `(N, num_features)` to outputs `(N, K)`."""
        return nn.Linear(num_features, self.num_outputs)

    @abstractmethod
    def loss(
        self, outputs: Tensor, y: Tensor, *, label_smoothing: float = 0.0, reduction: Reduction = "mean"
    ) -> Tensor:
        """Supervised loss of outputs `(N, K)` against labels, a scalar, or one value per sample `(N,)`."""

    @abstractmethod
    def predict(self, outputs: Tensor) -> Tensor:
        """What metrics compare with the labels, from outputs `(N, K)`."""

    @abstractmethod
    def metrics(self) -> dict[str, Metric]:
        """Fresh metrics by name, the headline first. Each knows by `higher_is_better` which way is good."""

    @abstractmethod
    def columns(self, outputs: Tensor) -> dict[str, Tensor]:
        """The columns of `predictions.csv` for outputs `(N, K)`, each `(N,)`."""

    @abstractmethod
    def check_labels(self, y: Tensor, where: str) -> None:
        """Refuse labels that are none of this problem.

        Args:
            y: Labels as a dataset gave them.
            where: Domain and split, for the message.

        Raises:
            AdaptError: Says what was expected, what was found and how to mend it.
        """

    @abstractmethod
    def as_labels(self, y: Any) -> Tensor:
        """Labels as training uses them: their dtype and shape."""

    def describe(self) -> dict[str, Any]:
        """Plain values that say which problem this is; a checkpoint keeps them."""
        return {"kind": self.kind, "names": list(self.names)}

    @property
    def headline(self) -> str:
        """Name of the first metric."""
        return next(iter(self.metrics()))

    def collection(self, prefix: str) -> MetricCollection:
        """All metrics, named `<prefix><metric>`; those that share their counts compute them once."""
        return MetricCollection(dict(self.metrics()), prefix=prefix)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Problem) and self.describe() == other.describe()

    def __hash__(self) -> int:
        return hash((self.kind, self.names))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.num_outputs})"


def as_problem(problem: Problem | int) -> Problem:
    """A problem; a whole number K means classification into K classes.

    Raises:
        AdaptError: It is neither.
    """
    if isinstance(problem, Problem):
        return problem
    from adapt.problems.classification import Classification

    if isinstance(problem, bool) or not isinstance(problem, int) or problem < 1:
        raise AdaptError(f"Expected a problem, or a number of classes of at least 1, found {problem!r}.")
    return Classification(problem)


def finite(y: Tensor, where: str) -> None:
    """Refuse labels that are NaN or infinite.

    Raises:
        AdaptError: Some are.
    """
    bad = (~torch.isfinite(y)).flatten(1).any(1) if y.ndim > 1 else ~torch.isfinite(y)
    if bad.any():
        raise AdaptError(f"Expected finite labels in {where}, found NaN or infinity in {int(bad.sum())} of {len(y)}.")
