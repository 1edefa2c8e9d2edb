"""How certain and balanced the target's predictions are."""

from torch import Tensor

from adapt.losses.predictions import class_logits


def softmax_correlation(logits: Tensor) -> Tensor:
    """Cosine of the class-class correlation C = PᵀP / N with the identity, tr C / (√K ‖C‖_F); higher is better.

    SoftmaxCorr, Tu et al. 2024, https://arxiv.org/abs/2406.09908, with the uniform reference (the paper also estimates
    the classes' shares with another network); Corr-C in comparisons of domain adaptation. It is 1 if every prediction
    is certain and all classes occur equally often. It is 1/√K if all samples have the same class or predictions are
    uniform.

    Cost: O(NK²) time, O(NK) memory: about 0.01 s for N = 50 000 and K = 31 on one CPU core.

    Args:
        logits: Class logits of the target `(N, K)`.

    Returns:
        Scalar without unit, in [1/√K, 1].

    Raises:
        AdaptError: `logits` is not a matrix or is empty.
    """
    p = class_logits("softmax_correlation", logits).softmax(1)
    correlation = p.T @ p / len(p)
    cosine: Tensor = correlation.trace() / (correlation.norm() * p.shape[1] ** 0.5)
    return cosine
