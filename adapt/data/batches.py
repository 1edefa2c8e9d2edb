"""What a training step receives. Methods import this file and nothing else of `adapt.data`."""

from typing import NamedTuple

from torch import Tensor

from adapt.errors import AdaptError
from adapt.trees import Tree


class Labelled(NamedTuple):
    """A batch with labels.

    Attributes:
        x: Inputs `(N, ...)`: a tensor, or a dict or tuple of tensors with one leading dimension.
        y: Labels: class indices `(N,)`, int64, or what the problem has in their place.
        index: Positions of the samples in their training set `(N,)`, int64.
        domain: Which of several sources each sample is of `(N,)`, int64, in the order of `--data.source`; None where
            there is but one domain.
    """

    x: Tree
    y: Tensor
    index: Tensor  # type: ignore[assignment]  # shadows tuple.index, for which a batch has no use
    domain: Tensor | None = None


class Unlabelled(NamedTuple):
    """A batch whose labels were never read into it.

    Attributes:
        x: Inputs `(N, ...)`, as in `Labelled`.
        index: Positions of the samples in their training set `(N,)`, int64.
    """

    x: Tree
    index: Tensor  # type: ignore[assignment]  # shadows tuple.index, for which a batch has no use

    @property
    def y(self) -> Tensor:
        """Never there: whoever asks for it is told why."""
        raise NoTargetLabelsError(
            "Expected a method that reads no target label, found one that asks a target batch for y: it has none. Few "
            "labelled samples come as batch.target_labelled (--data.shots, and target_labels of the method)."
        )


class NoTargetLabelsError(AdaptError, AttributeError):
    """A label was asked of a batch that has none."""


class Pair(NamedTuple):
    """One batch of each domain: the unsupervised setting."""

    source: Labelled
    target: Unlabelled


class TargetBatch(NamedTuple):
    """One batch of the target alone: the source-free setting."""

    target: Unlabelled


class FewShotPair(NamedTuple):
    """One batch of each domain and one of the few (or all) labelled target samples."""

    source: Labelled
    target: Unlabelled
    target_labelled: Labelled
