"""What the estimators of class weights have in common."""

from torch import Tensor

from adapt.errors import AdaptError

_TOLERANCE = 1e-3


def double_probabilities(name: str, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Both domains' probabilities `(N, K)` and `(M, K)` in double precision, each row summing to 1.

    Raises:
        AdaptError: Shapes that do not fit, or values that are no probabilities.
    """
    if source.ndim != 2 or target.ndim != 2 or source.shape[1] != target.shape[1] or not len(source) or not len(target):
        raise AdaptError(
            f"{name} expects probabilities (N, K) and (M, K), found {tuple(source.shape)} and {tuple(target.shape)}."
        )
    for part in (source, target):
        if not ((part >= 0).all() and ((part.sum(1) - 1).abs() < _TOLERANCE).all()):
            raise AdaptError(
                f"{name} expects rows that are at least 0 and sum to 1, found others: give softmax(logits)."
            )
    p, q = source.detach().double(), target.detach().double()
    return p / p.sum(1, keepdim=True), q / q.sum(1, keepdim=True)
