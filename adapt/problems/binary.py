"""Metrics of one class against all others, from its probability."""

from typing import Any

from torch import Tensor
from torchmetrics.classification import BinaryAUROC, BinarySensitivityAtSpecificity


class PositiveAUROC(BinaryAUROC):
    """Area under the receiver operating characteristic of one class's probability.

    Args:
        positive: Index of the class.

    Examples:
        >>> import torch
        >>> metric = PositiveAUROC(1)
        >>> metric.update(torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.7, 0.3]]), torch.tensor([0, 1, 1]))
        >>> metric.compute().item()
        1.0
    """

    higher_is_better = True
    plot_lower_bound = 0.0
    plot_upper_bound = 1.0

    def __init__(self, positive: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.positive = positive

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Add samples.

        Args:
            preds: Probabilities `(N, K)`.
            target: Class indices `(N,)`.
        """
        super().update(preds[:, self.positive], (target == self.positive).long())


class PositiveSensitivity(BinarySensitivityAtSpecificity):
    """Share of one class's samples that are found, where at least a given share of the others is not taken for it.

    Args:
        positive: Index of the class.
        specificity: That share.

    Examples:
        >>> import torch
        >>> metric = PositiveSensitivity(1, 0.5)
        >>> p = torch.tensor([0.1, 0.5, 0.3, 0.4])
        >>> metric.update(torch.stack([1 - p, p], 1), torch.tensor([0, 0, 1, 1]))
        >>> metric.compute().item()
        1.0
    """

    higher_is_better = True
    plot_lower_bound = 0.0
    plot_upper_bound = 1.0

    def __init__(self, positive: int, specificity: float, **kwargs: Any) -> None:
        super().__init__(min_specificity=specificity, **kwargs)
        self.positive = positive

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Add samples.

        Args:
            preds: Probabilities `(N, K)`.
            target: Class indices `(N,)`.
        """
        super().update(preds[:, self.positive], (target == self.positive).long())

    def compute(self) -> Tensor:  # type: ignore[override]  # without the threshold
        """The share."""
        found: Tensor = super().compute()[0]
        return found
