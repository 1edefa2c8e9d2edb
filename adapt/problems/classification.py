"""Predict one of several classes."""

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional
from torchmetrics import Metric
from torchmetrics.classification import MulticlassAccuracy, MulticlassCalibrationError, MulticlassF1Score

from adapt.errors import SampleError
from adapt.problems.base import Problem, Reduction, all_odd, odd_labels_error


class Classification(Problem):
    """One of K classes; labels are class indices 0..K−1.

    Loss: cross-entropy, `−(1/N) Σ_i log softmax(z_i)_{y_i}`, with label smoothing. Metrics: `accuracy` (share of
    correct samples), `mean_class_accuracy` (mean over classes of each class's accuracy, as reported for VisDA),
    `macro_f1` (mean over classes), `calibration_error` (expected calibration error in 15 bins of confidence, Guo et
    al., ICML 2017, https://arxiv.org/abs/1706.04599; lower is better).

    Args:
        classes: Number of classes K, or their names.

    Raises:
        AdaptError: There is no class.

    Examples:
        >>> problem = Classification(["cat", "dog"])
        >>> problem.loss(torch.tensor([[0.0, 0.0]]), torch.tensor([1])).item()
        0.6931471824645996
    """

    kind: ClassVar[str] = "classification"
    probabilities: ClassVar[bool] = True

    def __init__(self, classes: int | Sequence[str]) -> None:
        super().__init__([str(k) for k in range(classes)] if isinstance(classes, int) else classes)

    def loss(
        self, outputs: Tensor, y: Tensor, *, label_smoothing: float = 0.0, reduction: Reduction = "mean"
    ) -> Tensor:
        """Cross-entropy of logits `(N, K)` against class indices `(N,)`, in nats."""
        return functional.cross_entropy(outputs, y, label_smoothing=label_smoothing, reduction=reduction)

    def predict(self, outputs: Tensor) -> Tensor:
        """Class probabilities `(N, K)`."""
        return outputs.float().softmax(1)

    def metrics(self) -> dict[str, Metric]:
        """Accuracy, mean class accuracy, macro-F1 and calibration error."""
        count = self.num_outputs
        return {
            "accuracy": MulticlassAccuracy(count, average="micro"),
            "mean_class_accuracy": MulticlassAccuracy(count, average="macro"),
            "macro_f1": MulticlassF1Score(count, average="macro"),
            "calibration_error": MulticlassCalibrationError(count, n_bins=15),
        }

    def columns(self, outputs: Tensor) -> dict[str, Tensor]:
        """Predicted class, its probability, and the probability of each class."""
        p = self.predict(outputs)
        probability, prediction = p.max(1)
        each = {f"p_{name}": p[:, k] for k, name in enumerate(self.names)}
        return {"prediction": prediction, "probability": probability} | each

    def odd_labels(self, labels: Tensor) -> Tensor:
        """Which of the labels `(N, ...)` are not a class index 0..K−1, as booleans `(N,)`."""
        if labels.ndim != 1 or labels.is_complex():
            return all_odd(labels)
        whole = labels.long()
        outside = (whole < 0) | (whole >= self.num_outputs)
        # This also finds NaN and infinity, which equal no integer.
        return outside | (whole != labels) if labels.is_floating_point() else outside

    def labels(self, labels: Tensor, where: str, positions: Sequence[int] | Tensor | None = None) -> Tensor:
        """The labels as class indices `(N,)`, int64.

        Raises:
            SampleError: One of them is not a class index 0..K−1. (Cross-entropy would silently ignore −100.)
        """
        odd = self.odd_labels(labels)
        if not odd.any():
            return labels.long()
        expected = f"Expected labels of {where} as class indices 0 to {self.num_outputs - 1}"
        if labels.ndim != 1 or labels.is_complex():
            one_hot = labels.ndim == 2 and labels.shape[1] > 1
            mend = (
                "One-hot labels become indices by y.argmax(1)." if one_hot else "Give one whole number for each sample."
            )
            mend = "A column becomes indices by y[:, 0]." if labels.ndim == 2 and labels.shape[1] == 1 else mend
            raise SampleError(f"{expected}, one for each sample, found {labels.dtype} {tuple(labels.shape)}. {mend}")
        raise odd_labels_error(expected, _mend(labels, self.num_outputs), labels, odd, positions)


def _mend(labels: Tensor, num_classes: int) -> str:
    if labels.is_floating_point() and not (torch.isfinite(labels) & (labels == labels.floor())).all():
        return "Give whole numbers."
    values = set(torch.unique(labels).tolist())
    if values == {-1, 1} and num_classes == 2:
        return "Make −1 and 1 to 0 and 1."
    if min(values) >= 1 and max(values) == num_classes:
        return "They seem to start at 1: subtract 1."
    if min(values) < 0:
        return "Label these samples, or leave them out."
    return f"There are {num_classes} class names: name every class, or number the labels from 0."
