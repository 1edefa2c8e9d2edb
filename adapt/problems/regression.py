"""Predict numbers instead of classes."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torchmetrics import Metric, MetricCollection
from torchmetrics.regression import MeanAbsoluteError, MeanSquaredError, R2Score

from adapt.errors import AdaptError, SampleError
from adapt.measures import Measure
from adapt.problems.base import Problem, Reduction, all_odd, odd_labels_error


class Regression(Problem):
    """K numbers per sample, such as an angle or a price; labels are `(N,)` or `(N, K)`.

    The network predicts in the labels' own units. The loss is in units of the source's standard deviation, so the same
    learning rate suits any unit: `(1/NK) Σ_ik ((z_ik − y_ik) / σ_k)²`, with σ_k the standard deviation of the source's
    training labels; the output layer's initial predictions are near their mean. Metrics, in the labels' units: `mae`
    (mean absolute error) and `rmse` (root of the mean squared error), lower is better, and `r2` (explained share of the
    variance).

    Args:
        targets: Number of quantities K, or their names.
        mean: Mean of each quantity over the source's training labels; None for 0.
        std: Standard deviation of each; None for 1.

    Raises:
        AdaptError: There is no quantity, or a mean or a deviation does not fit.

    Examples:
        >>> problem = Regression(["angle"], mean=[10.0], std=[2.0])
        >>> problem.loss(torch.tensor([[12.0]]), torch.tensor([[10.0]])).item()
        1.0
    """

    kind: ClassVar[str] = "regression"

    def __init__(
        self, targets: int | Sequence[str] = 1, mean: Sequence[float] | None = None, std: Sequence[float] | None = None
    ) -> None:
        super().__init__([f"y{k}" for k in range(targets)] if isinstance(targets, int) else targets)
        self.mean = [float(v) for v in mean] if mean is not None else [0.0] * self.num_outputs
        self.std = [float(v) for v in std] if std is not None else [1.0] * self.num_outputs
        if not len(self.mean) == len(self.std) == self.num_outputs or min(self.std) <= 0:
            raise AdaptError(
                f"Regression expects a mean and a standard deviation above 0 for each of {self.num_outputs} outputs, "
                f"found {self.mean} and {self.std}. If all source labels are equal, there is nothing to learn."
            )

    @classmethod
    def of(cls, targets: int | Sequence[str], y: Tensor) -> "Regression":
        """A problem with the mean and standard deviation of the source's training labels `(N,)` or `(N, K)`.

        Args:
            targets: Number of quantities K, or their names.
            y: The labels.
        """
        found = cls(targets).labels(torch.as_tensor(y), "the source (train)").double().reshape(len(y), -1)
        return cls(targets, found.mean(0).tolist(), found.std(0, correction=0).tolist())

    def output_layer(self, num_features: int) -> nn.Module:
        """A linear layer, then back from standard units to those of the labels."""
        return nn.Sequential(nn.Linear(num_features, self.num_outputs), Unstandardise(self.mean, self.std))

    def loss(
        self, outputs: Tensor, y: Tensor, *, label_smoothing: float = 0.0, reduction: Reduction = "mean"
    ) -> Tensor:
        """Mean squared error of outputs `(N, K)` against labels `(N, K)`, in units of the source's variance."""
        # Filled on the device: a list would have to be copied there, for which the host waits.
        spread = torch.stack([outputs.new_full((), std) for std in self.std])
        gap = (outputs - y.to(outputs.dtype).reshape(outputs.shape)) / spread
        each = gap.square().mean(1)
        return each.mean() if reduction == "mean" else each

    def predict(self, outputs: Tensor) -> Tensor:
        """The numbers `(N, K)`; `(N,)` for one quantity, as torchmetrics needs them."""
        return outputs.float().squeeze(1) if self.num_outputs == 1 else outputs.float()

    def metrics(self) -> dict[str, Metric]:
        """Mean absolute error, root mean squared error, and R²."""
        count = self.num_outputs
        return {
            "mae": MeanAbsoluteError(),
            "rmse": MeanSquaredError(squared=False),
            "r2": R2Score() if count == 1 else R2Score(multioutput="uniform_average"),
        }

    def measures(self) -> tuple[Measure, ...]:
        """The errors in the labels' unit, named after the quantities; R² has only the upper bound 1."""
        unit = ", ".join(self.names)
        errors = [Measure(name, higher=False, unit=unit, low=0.0, high=None) for name in ("mae", "rmse")]
        return (*errors, Measure("r2", unit="", low=None, high=1.0))

    def collection(self, prefix: str) -> MetricCollection:
        """All metrics; they need different sums, so they share none."""
        return MetricCollection(dict(self.metrics()), prefix=prefix, compute_groups=False)

    def columns(self, outputs: Tensor) -> dict[str, Tensor]:
        """One column per quantity."""
        return {name: outputs[:, k].float() for k, name in enumerate(self.names)}

    def odd_labels(self, labels: Tensor) -> Tensor:
        """Which of the labels are not K finite numbers, as booleans `(N,)`."""
        if not self._fits(labels):
            return all_odd(labels)
        return ~torch.isfinite(labels).reshape(len(labels), -1).all(1)

    def labels(self, labels: Tensor, where: str, positions: Sequence[int] | Tensor | None = None) -> Tensor:
        """Numbers, float32, `(N,)` for one quantity and `(N, K)` for several.

        Raises:
            SampleError: One of them is not K finite numbers.
        """
        odd = self.odd_labels(labels)
        if not odd.any():
            return labels.float().squeeze(1) if labels.ndim == 2 and self.num_outputs == 1 else labels.float()
        count = self.num_outputs
        expected = f"Expected labels of {where} as {count} finite number{'s' if count > 1 else ''} per sample"
        if not self._fits(labels):
            raise SampleError(f"{expected}, found {labels.dtype} {tuple(labels.shape)}.")
        raise odd_labels_error(expected, "Label these samples, or leave them out.", labels, odd, positions)

    def no_labels(self, count: int) -> Tensor:
        """NaN for every quantity."""
        return torch.full((count, self.num_outputs) if self.num_outputs > 1 else (count,), torch.nan)

    def _fits(self, labels: Tensor) -> bool:
        shape = labels.shape[1:]
        return (
            labels.ndim > 0
            and not labels.is_complex()
            and (shape == (self.num_outputs,) or (self.num_outputs == 1 and not shape))
        )

    def describe(self) -> dict[str, Any]:
        """Also the mean and the standard deviation, because the weights depend on them."""
        return super().describe() | {"mean": self.mean, "std": self.std}


class Unstandardise(nn.Module):
    """From standard units to those of the labels, `x σ + μ`; a checkpoint stores μ and σ with the weights.

    Args:
        mean: μ of each quantity.
        std: σ of each quantity.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean))
        self.register_buffer("std", torch.tensor(std))

    def forward(self, x: Tensor) -> Tensor:
        """Outputs `(N, K)` in the labels' units."""
        return x * self.std + self.mean
