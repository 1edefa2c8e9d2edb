"""How much the samples of RoTTA's memory count: by their age, and by how uncertain they were."""

import math

from torch import Tensor

from adapt.errors import AdaptError
from adapt.losses.inputs import in_full_precision


@in_full_precision
def timeliness_weights(ages: Tensor) -> Tensor:
    """Weight of each sample by its age, e^{−a} / (1 + e^{−a}): one half for a new one, less for old ones.

    RoTTA, Yuan et al., CVPR 2023, https://arxiv.org/abs/2303.13899, as in the authors' code.

    Args:
        ages: a `(N,)`, in capacities of the memory.

    Returns:
        `(N,)`, in (0, ½].

    Raises:
        AdaptError: An age is negative.

    Examples:
        >>> import torch
        >>> from adapt.losses import timeliness_weights
        >>> timeliness_weights(torch.tensor([0.0, 1.0]))
        tensor([0.5000, 0.2689])
    """
    if (ages < 0).any():
        raise AdaptError(f"timeliness_weights expects ages of at least 0, found {float(ages.min())}.")
    return (-ages).sigmoid()


def memory_score(
    age: float, uncertainty: float, capacity: int, classes: int, timeliness: float = 1.0, certainty: float = 1.0
) -> float:
    """How dispensable a sample of the memory is: λ_t / (1 + e^{−a/N}) + λ_u H / log K; the highest is replaced.

    RoTTA, Yuan et al., CVPR 2023, https://arxiv.org/abs/2303.13899, as in the authors' code.

    Args:
        age: a, samples of the stream since it came.
        uncertainty: H, entropy of its prediction in nats.
        capacity: N, samples that the memory holds.
        classes: K.
        timeliness: λ_t.
        certainty: λ_u.

    Returns:
        From λ_t / 2 to λ_t + λ_u.

    Raises:
        AdaptError: The memory holds nothing, or there are fewer than two classes.

    Examples:
        >>> from adapt.losses import memory_score
        >>> memory_score(age=0, uncertainty=0.0, capacity=64, classes=10)
        0.5
    """
    if capacity < 1 or classes < 2:
        raise AdaptError(f"memory_score expects a capacity and two classes, found {capacity} and {classes}.")
    return timeliness / (1 + math.exp(-age / capacity)) + certainty * uncertainty / math.log(classes)
