"""Several labels at once."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional
from torchmetrics import Metric
from torchmetrics.classification import (
    MultilabelAccuracy,
    MultilabelAUROC,
    MultilabelAveragePrecision,
    MultilabelExactMatch,
    MultilabelF1Score,
)

from adapt.errors import AdaptError
from adapt.problems.base import Problem, Reduction


class MultiLabel(Problem):
    """Which of K labels apply; labels are zeros and ones `(N, K)`.

    Loss: the mean binary cross-entropy, `−(1/NK) Σ_ik [y_ik log σ(z_ik) + (1 − y_ik) log(1 − σ(z_ik))]`. Metrics:
    `mean_average_precision` (mean over labels, the usual headline), `auroc`, `macro_f1`, `label_accuracy` (share of
    right entries) and `exact_match` (share of samples with no wrong entry), the last three at probability ½.

    Args:
        labels: Number of labels K, or their names.

    Raises:
        AdaptError: There is no label.

    Examples:
        >>> problem = MultiLabel(["urban", "water"])
        >>> problem.loss(torch.zeros(1, 2), torch.tensor([[1.0, 0.0]])).item()
        0.6931471824645996
    """

    kind: ClassVar[str] = "multi-label"

    def __init__(self, labels: int | Sequence[str]) -> None:
        super().__init__([str(k) for k in range(labels)] if isinstance(labels, int) else labels)

    def loss(
        self, outputs: Tensor, y: Tensor, *, label_smoothing: float = 0.0, reduction: Reduction = "mean"
    ) -> Tensor:
        """Binary cross-entropy of logits `(N, K)` against zeros and ones `(N, K)`, in nats per entry."""
        smooth = y.to(outputs.dtype) * (1 - label_smoothing) + label_smoothing / 2
        each = functional.binary_cross_entropy_with_logits(outputs, smooth, reduction="none").mean(1)
        return each.mean() if reduction == "mean" else each

    def predict(self, outputs: Tensor) -> Tensor:
        """Probability of each label `(N, K)`."""
        return outputs.float().sigmoid()

    def metrics(self) -> dict[str, Metric]:
        """Mean average precision, AUROC, macro-F1, accuracy of the entries, and exact match."""
        count = self.num_outputs
        return {
            "mean_average_precision": MultilabelAveragePrecision(count, average="macro"),
            "auroc": MultilabelAUROC(count, average="macro"),
            "macro_f1": MultilabelF1Score(count, average="macro"),
            "label_accuracy": MultilabelAccuracy(count, average="micro"),
            "exact_match": MultilabelExactMatch(count),
        }

    def columns(self, outputs: Tensor) -> dict[str, Tensor]:
        """Zero or one for each label at probability ½, then the probabilities."""
        p = self.predict(outputs)
        chosen = {name: (p[:, k] >= 0.5).long() for k, name in enumerate(self.names)}
        return chosen | {f"p_{name}": p[:, k] for k, name in enumerate(self.names)}

    def check_labels(self, y: Tensor, where: str) -> None:
        """Refuse anything but zeros and ones `(N, K)`."""
        count = self.num_outputs
        mend = f"Give a row of {count} zeros and ones per sample."
        if y.ndim != 2 or y.shape[1] != count:
            raise AdaptError(f"Expected labels (N, {count}) in {where}, found shape {tuple(y.shape)}. {mend}")
        if not bool(((y == 0) | (y == 1)).all()):
            raise AdaptError(f"Expected zeros and ones as labels in {where}, found other values. {mend}")

    def as_labels(self, y: Any) -> Tensor:
        """Zeros and ones, int64, which torchmetrics wants; the loss converts them."""
        return torch.as_tensor(y).long()
