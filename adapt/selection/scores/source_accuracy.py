"""Accuracy on held-out source samples."""

from torch import Tensor

from adapt.selection.scores.labels import labelled_logits


def source_accuracy(logits: Tensor, y: Tensor) -> Tensor:
    """Share of held-out source samples whose highest logit is their class; higher is better.

    The "source risk" baseline of every comparison, e.g. Musgrave et al. 2022, https://arxiv.org/abs/2208.07360. It says
    nothing about the target. With target labels the same formula is the oracle, and is logged only under that name.

    Cost: O(NK) time and memory, a few milliseconds for N = 50 000.

    Args:
        logits: Class logits of the source `(N, K)`.
        y: Class indices of the source `(N,)`.

    Returns:
        Scalar in [0, 1].

    Raises:
        AdaptError: `logits` is not a matrix or is empty, or there is not one label per sample.
    """
    return (labelled_logits("source_accuracy", logits, y).argmax(1) == y).float().mean()
