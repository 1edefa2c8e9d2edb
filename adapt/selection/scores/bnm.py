"""Nuclear norm of the target's predictions."""

import math

from torch import Tensor

from adapt import losses


def bnm(logits: Tensor) -> Tensor:
    """Nuclear norm of the N × K matrix of predictions over its upper bound, ‖P‖_* / √(N min(N, K)); higher is better.

    Batch Nuclear-norm Maximization, Cui et al. 2020, https://arxiv.org/abs/2003.12237; as a criterion over a whole set:
    Musgrave et al. 2022, https://arxiv.org/abs/2208.07360. Large if predictions are certain and all classes occur.

    Cost: O(NK²) time, O(NK) memory: about 0.02 s for N = 50 000 and K = 31 on one CPU core.

    Args:
        logits: Class logits of the target `(N, K)`.

    Returns:
        Scalar without unit, in (0, 1]. Unlike the loss, it is comparable between different numbers of samples.

    Raises:
        AdaptError: `logits` is not a matrix or is empty.
    """
    # The loss divides by N, and the bound is √(N min(N, K)).
    return -losses.bnm(logits) * math.sqrt(len(logits) / min(logits.shape))
