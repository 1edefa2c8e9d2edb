"""The contract of a problem: what a task's labels are, and how they are predicted."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torchmetrics import Metric, MetricCollection

from adapt.errors import AdaptError, SampleError
from adapt.measures import Measure

Reduction = Literal["mean", "none"]

_SHOWN = 5


class Problem(ABC):
    """What is predicted from an input: classes, several labels at once, or numbers.

    A subclass defines the output layer, the supervised loss, the metrics and the columns of a prediction. The first
    metric is the headline: tables and the rules `source_<headline>` and `oracle` use it.

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
        # Predictions are columns by name: of two with one name the second would take the place of the first.
        if twice := [name for name, count in Counter(self.names).items() if count > 1]:
            raise AdaptError(
                f"Expected each name of an output once, found {', '.join(map(repr, twice[:_SHOWN]))} several times. "
                "Give each its own name."
            )

    @property
    def num_outputs(self) -> int:
        """Width K of the output layer."""
        return len(self.names)

    @property
    def watched(self) -> tuple[str, ...]:
        """Metrics beside the headline that validation measures on the target."""
        return ()

    @property
    def of_target_alone(self) -> tuple[str, ...]:
        """Metrics that mean nothing on the source."""
        return ()

    @property
    def estimable(self) -> bool:
        """Whether accuracy on the target can be estimated without labels: for classes that both domains have."""
        return False

    @property
    def answers(self) -> tuple[str, ...]:
        """What a prediction may be: the outputs' names, and in open sets of classes also `unknown`."""
        return self.names

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
        """Predictions for the metrics, from outputs `(N, K)`."""

    @abstractmethod
    def metrics(self) -> dict[str, Metric]:
        """New metrics by name, the headline first. `higher_is_better` gives the direction of each."""

    @abstractmethod
    def columns(self, outputs: Tensor) -> dict[str, Tensor]:
        """The columns of `predictions.csv` for outputs `(N, K)`, each `(N,)`."""

    @abstractmethod
    def odd_labels(self, labels: Tensor) -> Tensor:
        """Which of the labels `(N, ...)` are invalid for this problem, as booleans `(N,)`."""

    @abstractmethod
    def labels(self, labels: Tensor, where: str, positions: Sequence[int] | Tensor | None = None) -> Tensor:
        """Check the labels, and convert them for training.

        Args:
            labels: The labels of a dataset.
            where: Whose labels they are, for the message.
            positions: The samples' indices in their dataset; None for 0 to N − 1.

        Raises:
            SampleError: Some labels are invalid for this problem.
        """

    def no_labels(self, count: int) -> Tensor:
        """What stands in a batch for the labels of samples that have none, `(count, ...)`.

        It is no label of the problem: whoever trains or measures with one by mistake gets an error, or NaN.
        """
        return torch.full((count,), -1)

    def has_label(self, labels: Tensor) -> Tensor:
        """Which samples of a batch have a label `(N,)`, as booleans."""
        empty = self.no_labels(1).to(labels.device)
        same = (labels == empty) | ((labels != labels) & (empty != empty))  # NaN equals nothing
        return ~same.flatten(1).all(1) if same.ndim > 1 else ~same

    def describe(self) -> dict[str, Any]:
        """Plain values that describe this problem; a checkpoint stores them."""
        return {"kind": self.kind, "names": list(self.names)}

    @property
    def headline(self) -> str:
        """Name of the first metric."""
        return next(iter(self.metrics()))

    def measures(self) -> tuple[Measure, ...]:
        """Unit and bounds of each metric for tables, the headline first.

        If torchmetrics gives a metric the bounds 0 and 1, it is a share. Any other metric is a number without unit or
        bounds. A problem that knows more overrides this.
        """
        return tuple(
            Measure(name, bool(metric.higher_is_better))
            if (metric.plot_lower_bound, metric.plot_upper_bound) == (0.0, 1.0)
            else Measure(name, bool(metric.higher_is_better), unit="", low=None, high=None)
            for name, metric in self.metrics().items()
        )

    def collection(self, prefix: str) -> MetricCollection:
        """All metrics, named `<prefix><metric>`; metrics that need the same counts compute them once."""
        return MetricCollection(dict(self.metrics()), prefix=prefix)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Problem) and self.describe() == other.describe()

    def __hash__(self) -> int:
        return hash((self.kind, self.names))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.num_outputs})"


def as_problem(problem: Problem | int) -> Problem:
    """Convert to a problem: an integer K means classification into K classes.

    Raises:
        AdaptError: It is neither a problem nor a positive integer.
    """
    if isinstance(problem, Problem):
        return problem
    from adapt.problems.classification import Classification

    if isinstance(problem, bool) or not isinstance(problem, int) or problem < 1:
        raise AdaptError(f"Expected a problem, or a number of classes of at least 1, found {problem!r}.")
    return Classification(problem)


def described_problem(description: Mapping[str, Any]) -> Problem:
    """The problem that `Problem.describe` tells of.

    Raises:
        AdaptError: It is none of this project's.
    """
    from adapt.problems.classification import Classification
    from adapt.problems.multi_label import MultiLabel
    from adapt.problems.regression import Regression

    kind, names = description["kind"], list(description["names"])
    if kind == Classification.kind:
        return Classification(names, description.get("class_sets", "closed"), description.get("unseen", ()))
    if kind == MultiLabel.kind:
        return MultiLabel(names)
    if kind == Regression.kind:
        return Regression(names, description["mean"], description["std"])
    raise AdaptError(f"Expected classification, multi-label or regression, found the problem {kind!r}.")


def odd_labels_error(
    expected: str, mend: str, labels: Tensor, odd: Tensor, positions: Sequence[int] | Tensor | None
) -> SampleError:
    """The error that names the invalid labels.

    Args:
        expected: What was expected, and whose labels they are.
        mend: How to fix it.
        labels: The labels `(N, ...)`.
        odd: Which of them are invalid `(N,)`.
        positions: The samples' indices in their dataset; None for 0 to N − 1.
    """
    at = int(odd.nonzero()[0])
    values = dict.fromkeys(f"{value:g}" for value in torch.unique(labels[odd]).tolist())  # each NaN is unique
    found = ", ".join(list(values)[:_SHOWN])
    place = at if positions is None else int(positions[at])
    return SampleError(
        f"{expected}, found {found} in {int(odd.sum())} of {len(labels)} samples, the first at position {place}. {mend}"
    )


def all_odd(labels: Tensor) -> Tensor:
    """Every sample marked as invalid, because the shape is already wrong."""
    return torch.ones(len(labels) if labels.ndim else 1, dtype=torch.bool)
