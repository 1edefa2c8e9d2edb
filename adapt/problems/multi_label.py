"""Several labels at once."""

from collections.abc import Sequence
from typing import ClassVar

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

from adapt.errors import AdaptError, SampleError
from adapt.problems.base import Problem, Reduction, all_odd, odd_labels_error


class MultiLabel(Problem):
    """Which of K labels apply; labels are zeros and ones `(N, K)`.

    Loss: the mean binary cross-entropy, `−(1/NK) Σ_ik [y_ik log σ(z_ik) + (1 − y_ik) log(1 − σ(z_ik))]`. Metrics:
    `mean_average_precision` (mean over labels, the usual headline), `auroc`, `macro_f1`, `label_accuracy` (share of
    right entries) and `exact_match` (share of samples with no wrong entry), the last three at probability ½.

    Args:
        labels: Number of labels K, or their names.

    Raises:
        AdaptError: There are fewer than two labels.

    Examples:
        >>> import torch
        >>> from adapt.problems import MultiLabel
        >>> problem = MultiLabel(["urban", "water"])
        >>> round(problem.loss(torch.zeros(1, 2), torch.tensor([[1.0, 0.0]])).item(), 4)  # log 2
        0.6931
    """

    kind: ClassVar[str] = "multi-label"

    def __init__(self, labels: int | Sequence[str]) -> None:
        super().__init__([str(k) for k in range(labels)] if isinstance(labels, int) else labels)
        if len(self.names) < 2:
            raise AdaptError(
                "MultiLabel expects at least two labels, found one. A yes or no alone is Classification(['no', 'yes'])."
            )

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

    def odd_labels(self, labels: Tensor) -> Tensor:
        """Which of the labels are no row of K zeros and ones, as booleans `(N,)`."""
        if labels.ndim != 2 or labels.shape[1] != self.num_outputs or labels.is_complex():
            return all_odd(labels)
        return ~((labels == 0) | (labels == 1)).all(1)

    def labels(self, labels: Tensor, where: str, positions: Sequence[int] | Tensor | None = None) -> Tensor:
        """Zeros and ones `(N, K)`, int64, which torchmetrics wants; the loss converts them.

        Raises:
            SampleError: One of them is no row of K zeros and ones.
        """
        odd = self.odd_labels(labels)
        if not odd.any():
            return labels.long()
        expected = f"Expected labels of {where} as rows of {self.num_outputs} zeros and ones"
        if labels.ndim != 2 or labels.shape[1] != self.num_outputs or labels.is_complex():
            raise SampleError(f"{expected}, found {labels.dtype} {tuple(labels.shape)}. Give one entry for each label.")
        raise odd_labels_error(expected, "Give 1 where a label applies, else 0.", labels, odd, positions)

    def no_labels(self, count: int) -> Tensor:
        """Rows of −1."""
        return torch.full((count, self.num_outputs), -1)
