"""Predict one of several classes."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional
from torchmetrics import Metric
from torchmetrics.classification import MulticlassAccuracy, MulticlassCalibrationError, MulticlassF1Score

from adapt.errors import AdaptError, SampleError
from adapt.problems.base import Problem, Reduction, all_odd, odd_labels_error
from adapt.problems.binary import PositiveAUROC, PositiveSensitivity
from adapt.problems.class_shares import (
    HScore,
    KnownAccuracy,
    PresentClassAccuracy,
    SeenAccuracy,
    SeenUnseenMean,
    UnknownAccuracy,
    UnseenAccuracy,
)

ClassSets = Literal["closed", "partial", "open", "universal"]
"""How the classes of source and target relate."""
UNKNOWN = "unknown"
"""What is predicted for samples of classes that the source has not."""


class Classification(Problem):
    """One of K classes; labels are class indices 0..K−1.

    Loss: cross-entropy, `−(1/N) Σ_i log softmax(z_i)_{y_i}`, with label smoothing. Metrics: `accuracy` (share of
    correct samples), `mean_class_accuracy` (mean of each class's accuracy, over classes with samples, as for VisDA),
    `macro_f1` (mean over classes), `calibration_error` (expected calibration error in 15 bins of confidence, Guo et
    al., ICML 2017, https://arxiv.org/abs/1706.04599; lower is better).

    Where the target may have classes of its own (`class_sets` is `open` or `universal`), these are one more answer,
    `unknown`, with the index K. It occurs in evaluation alone: the source has no such sample, and output layer and loss
    are those of the K classes. Outputs `(N, K + 1)` come from the method, see `Method.with_unknown`. The headline is
    then `h_score`, the harmonic mean of `known_accuracy` (OS*, mean over known classes) and `unknown_accuracy` (Fu et
    al., ECCV 2020; Bucci et al., ECCV 2020, https://arxiv.org/abs/2007.12360).

    With a `positive` class, such as a disease, tests also measure how it is told from all others: `auroc` (area under
    the receiver operating characteristic of its probability) and `sensitivity` (share of its samples that are found, at
    the threshold of the test samples at which at least `specificity` of the others are not taken for it).

    `unseen` names classes that the source has no sample of and that may be the answer all the same, which a method has
    to know by other means (`TextAnchors`). `seen_loss` is then the loss of the others, and the metrics have
    `unseen_accuracy`, `seen_accuracy` and their harmonic mean `seen_unseen_mean` (Xian et al., CVPR 2017,
    https://arxiv.org/abs/1703.04394).

    Args:
        classes: Number of classes K, or their names.
        class_sets: How the classes of source and target relate.
        unseen: Names of the classes without a sample in the source.
        positive: Name of the class that is looked for; None for none.
        specificity: What `sensitivity` is measured at.

    Raises:
        AdaptError: There is no class, one is called `unknown` where that is an answer, `positive` is none of them, or
            fewer than two are seen.

    Examples:
        >>> problem = Classification(["cat", "dog"])
        >>> problem.loss(torch.tensor([[0.0, 0.0]]), torch.tensor([1])).item()
        0.6931471824645996
    """

    kind: ClassVar[str] = "classification"
    probabilities: ClassVar[bool] = True

    def __init__(
        self,
        classes: int | Sequence[str],
        class_sets: ClassSets = "closed",
        unseen: Sequence[str] = (),
        positive: str | None = None,
        specificity: float = 0.9,
    ) -> None:
        super().__init__([str(k) for k in range(classes)] if isinstance(classes, int) else classes)
        self.class_sets = class_sets
        self.only_source: tuple[str, ...] = ()
        self.only_target: tuple[str, ...] = ()
        """Classes that one domain alone has, for messages; a datamodule says it, and `describe` leaves them out."""
        self.unseen = tuple(map(str, unseen))
        if not set(self.unseen) <= set(self.names) or (self.unseen and len(self.names) - len(self.unseen) < 2):
            raise AdaptError(
                f"Expected unseen classes out of {', '.join(self.names)}, and two others, found "
                f"{', '.join(self.unseen)}."
            )
        if positive is not None and (str(positive) not in self.names or not 0 < specificity < 1):
            raise AdaptError(
                f"Expected the positive class out of {', '.join(self.names)} and a specificity between 0 and 1, found "
                f"{positive!r} and {specificity}."
            )
        # What is measured is no part of what the network is: `describe` leaves it out.
        self.positive, self.specificity = None if positive is None else str(positive), specificity
        if self.has_unknown and UNKNOWN in self.names:
            raise AdaptError(f"Expected no class {UNKNOWN!r}, which {class_sets} sets have of their own. Rename it.")

    @property
    def has_unknown(self) -> bool:
        """Whether samples may be of no class of the source."""
        return self.class_sets in ("open", "universal")

    @property
    def estimable(self) -> bool:
        """Whether source and target have the same classes, which every estimate takes for granted."""
        return self.class_sets == "closed" and not self.unseen

    @property
    def answers(self) -> tuple[str, ...]:
        """The classes, and `unknown` where the target may have others."""
        return (*self.names, UNKNOWN) if self.has_unknown else self.names

    @property
    def watched(self) -> tuple[str, ...]:
        """Of open sets, what the H-score is made of."""
        return ("known_accuracy", "unknown_accuracy", "accuracy") if self.has_unknown else ()

    @property
    def of_target_alone(self) -> tuple[str, ...]:
        """Of open sets, what needs unknown samples."""
        return ("unknown_accuracy",) if self.has_unknown else ()

    def describe(self) -> dict[str, Any]:
        """Plain values that describe this problem."""
        sets = {} if self.class_sets == "closed" else {"class_sets": self.class_sets}
        return super().describe() | sets | ({"unseen": list(self.unseen)} if self.unseen else {})

    def loss(
        self, outputs: Tensor, y: Tensor, *, label_smoothing: float = 0.0, reduction: Reduction = "mean"
    ) -> Tensor:
        """Cross-entropy of logits `(N, K)` against class indices `(N,)`, in nats."""
        return functional.cross_entropy(outputs, y, label_smoothing=label_smoothing, reduction=reduction)

    def seen_loss(self, outputs: Tensor, y: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
        """Mean cross-entropy in which samples of seen classes leave the unseen ones out of the softmax.

        A source sample is no reason to find an unseen class less likely. Samples that are of an unseen class, which
        labelled target samples may be, count among all classes.

        Args:
            outputs: Logits `(N, K)`.
            y: Class indices `(N,)`.
            label_smoothing: Share of the probability that is spread over the classes that count.
        """
        unseen = torch.tensor([name in self.unseen for name in self.names], device=outputs.device)
        left_out = unseen[None] & ~unseen[y][:, None]
        log_p = outputs.masked_fill(left_out, -torch.inf).log_softmax(1)
        right = log_p.gather(1, y[:, None])[:, 0]
        spread = log_p.masked_fill(left_out, 0).sum(1) / (~left_out).sum(1)
        return -((1 - label_smoothing) * right + label_smoothing * spread).mean()

    def predict(self, outputs: Tensor) -> Tensor:
        """Class probabilities `(N, K)`."""
        return outputs.float().softmax(1)

    def metrics(self) -> dict[str, Metric]:
        """Accuracy, mean class accuracy, macro-F1 and calibration error; of open sets first the H-score."""
        count = len(self.answers)
        parts: dict[str, Metric] = {}
        if self.has_unknown:
            parts = {cls.name: cls(count) for cls in (HScore, KnownAccuracy, UnknownAccuracy)}
        further: dict[str, Metric] = {}
        if self.unseen:
            which = [self.names.index(name) for name in self.unseen]
            further = {cls.name: cls(count, which) for cls in (UnseenAccuracy, SeenAccuracy, SeenUnseenMean)}
        return parts | {
            "accuracy": MulticlassAccuracy(count, average="micro"),
            "mean_class_accuracy": PresentClassAccuracy(count),
            "macro_f1": MulticlassF1Score(count, average="macro"),
            "calibration_error": MulticlassCalibrationError(count, n_bins=15),
            **self._of_positive(),
            **further,
        }

    def _of_positive(self) -> dict[str, Metric]:
        if self.positive is None:
            return {}
        at = self.names.index(self.positive)
        return {"auroc": PositiveAUROC(at), "sensitivity": PositiveSensitivity(at, self.specificity)}

    def columns(self, outputs: Tensor) -> dict[str, Tensor]:
        """Predicted class, its probability, and the probability of each class."""
        p = self.predict(outputs)
        probability, prediction = p.max(1)
        each = {f"p_{name}": p[:, k] for k, name in enumerate(self.answers)}
        return {"prediction": prediction, "probability": probability} | each

    def odd_labels(self, labels: Tensor) -> Tensor:
        """Which of the labels `(N, ...)` are not a class index 0..K−1, as booleans `(N,)`."""
        if labels.ndim != 1 or labels.is_complex():
            return all_odd(labels)
        whole = labels.long()
        outside = (whole < 0) | (whole >= len(self.answers))
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
