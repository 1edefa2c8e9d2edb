"""One class out of several."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional
from torchmetrics import Metric
from torchmetrics.classification import MulticlassAccuracy, MulticlassCalibrationError, MulticlassF1Score

from adapt.errors import AdaptError
from adapt.problems.base import Problem, Reduction


class Classification(Problem):
    """One of K classes; labels are class indices 0..K−1.

    Loss: cross-entropy, `−(1/N) Σ_i log softmax(z_i)_{y_i}`, with label smoothing. Metrics: `accuracy` (share of right
    samples), `mean_class_accuracy` (mean over classes of the share that is right: VisDA's figure), `macro_f1` (mean
    over classes), `calibration_error` (expected calibration error in 15 bins of confidence, Guo et al., ICML 2017,
    https://arxiv.org/abs/1706.04599; lower is better).

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

    def check_labels(self, y: Tensor, where: str) -> None:
        """Refuse anything but class indices `(N,)`."""
        count = self.num_outputs
        mend = f"Give class indices from 0 to {count - 1}, one per sample."
        if y.ndim != 1:
            raise AdaptError(f"Expected labels (N,) in {where}, found shape {tuple(y.shape)}. {mend}")
        if y.is_floating_point():
            finite_and_whole = bool((torch.isfinite(y) & (y == y.round())).all())
            if not finite_and_whole:
                raise AdaptError(f"Expected whole numbers as labels in {where}, found others. {mend}")
        if len(y) and (int(y.min()) < 0 or int(y.max()) >= count):
            found = f"{int(y.min())} to {int(y.max())}"
            raise AdaptError(f"Expected labels 0 to {count - 1} in {where}, found {found}. {mend}")

    def as_labels(self, y: Any) -> Tensor:
        """Class indices, int64."""
        return torch.as_tensor(y).long()
