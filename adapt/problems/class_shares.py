"""Metrics of classes that the two domains do not share: what was recognised, and what was found unknown."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torchmetrics import Metric


class ClassShares(Metric):
    """Base: how many samples of each class there are, and how many of them are right.

    Args:
        count: Number of classes C; in open sets the last one is `unknown`.
    """

    name: ClassVar[str] = ""
    is_differentiable = False
    higher_is_better = True
    full_state_update = False
    plot_lower_bound = 0.0
    plot_upper_bound = 1.0
    right: Tensor
    total: Tensor

    def __init__(self, count: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.count = count
        for state in ("right", "total"):
            self.add_state(state, torch.zeros(count, dtype=torch.long), dist_reduce_fx="sum")

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Count samples.

        Args:
            preds: Scores `(N, C)`, the highest of which is the prediction.
            target: Class indices `(N,)`.
        """
        self.total += torch.bincount(target, minlength=self.count)
        self.right += torch.bincount(target[preds.argmax(1) == target], minlength=self.count)

    def shares(self) -> tuple[Tensor, Tensor]:
        """Each class's accuracy `(C,)`, and which classes have samples `(C,)`."""
        there = self.total > 0
        return self.right / self.total.clamp(min=1), there


def _mean(shares: Tensor, there: Tensor) -> Tensor:
    """Mean over what is there; 0 where nothing is."""
    return (shares * there).sum() / there.sum().clamp(min=1)


class PresentClassAccuracy(ClassShares):
    """Mean of the accuracies of all classes that have samples.

    Examples:
        >>> metric = PresentClassAccuracy(3)
        >>> metric.update(torch.eye(3)[[0, 2, 1]], torch.tensor([0, 0, 1]))
        >>> metric.compute().item()
        0.75
    """

    name = "mean_class_accuracy"

    def compute(self) -> Tensor:
        """The mean."""
        return _mean(*self.shares())


class KnownAccuracy(ClassShares):
    """Mean of the accuracies of the known classes that have samples (OS*): of all but the last."""

    name = "known_accuracy"

    def compute(self) -> Tensor:
        """The mean."""
        shares, there = self.shares()
        return _mean(shares[:-1], there[:-1])


class UnknownAccuracy(ClassShares):
    """Share of the samples of unknown classes, the last one, that are found unknown; 0 where there is none."""

    name = "unknown_accuracy"

    def compute(self) -> Tensor:
        """The share."""
        return self.shares()[0][-1]


class HScore(ClassShares):
    """Harmonic mean of known and unknown accuracy, `2ab / (a + b)`.

    Where no sample is unknown, as in the source, it is the known accuracy; where all are, the unknown one.

    Examples:
        >>> metric = HScore(3)
        >>> metric.update(torch.eye(3)[[0, 1, 2, 1]], torch.tensor([0, 1, 2, 2]))
        >>> round(metric.compute().item(), 4)
        0.6667
    """

    name = "h_score"

    def compute(self) -> Tensor:
        """The harmonic mean."""
        shares, there = self.shares()
        known, unknown = _mean(shares[:-1], there[:-1]), shares[-1]
        both = 2 * known * unknown / (known + unknown).clamp(min=1e-12)
        return torch.where(there[-1], torch.where(there[:-1].any(), both, unknown), known)


class UnseenAccuracy(ClassShares):
    """Mean of the accuracies of the classes that the source has no sample of; 0 where the domain has none either.

    Args:
        count: Number of classes C.
        unseen: Indices of these classes.

    Examples:
        >>> metric = UnseenAccuracy(3, [2])
        >>> metric.update(torch.eye(3)[[0, 1, 2, 1]], torch.tensor([0, 1, 2, 2]))
        >>> metric.compute().item()
        0.5
    """

    name = "unseen_accuracy"
    of_unseen = True

    def __init__(self, count: int, unseen: Sequence[int], **kwargs: Any) -> None:
        super().__init__(count, **kwargs)
        self.unseen = list(unseen)

    def compute(self) -> Tensor:
        """The mean."""
        return self.mean_of(self.of_unseen)

    def mean_of(self, unseen: bool) -> Tensor:
        """Mean accuracy of the unseen or of the other classes, of those that have samples."""
        shares, there = self.shares()
        own = torch.zeros_like(there)
        own[self.unseen] = True
        return _mean(shares, there & (own if unseen else ~own))


class SeenAccuracy(UnseenAccuracy):
    """Mean of the accuracies of the classes that the source has samples of, among all classes as answers."""

    name = "seen_accuracy"
    of_unseen = False


class SeenUnseenMean(UnseenAccuracy):
    """Harmonic mean of the accuracies of seen and unseen classes, `2ab / (a + b)`.

    Examples:
        >>> metric = SeenUnseenMean(3, [2])
        >>> metric.update(torch.eye(3)[[0, 1, 2, 1]], torch.tensor([0, 1, 2, 2]))
        >>> round(metric.compute().item(), 4)
        0.6667
    """

    name = "seen_unseen_mean"

    def compute(self) -> Tensor:
        """The harmonic mean."""
        seen, unseen = self.mean_of(False), self.mean_of(True)
        return 2 * seen * unseen / (seen + unseen).clamp(min=1e-12)
