"""LEEP: how well the pretrained classifier's own classes tell the new labels."""

import torch
from torch import Tensor

from adapt.errors import AdaptError
from adapt.transferability.inputs import labelled


def leep(logits: Tensor, y: Tensor) -> Tensor:
    """Mean log likelihood of the labels under the empirical predictor from the pretrained classes to them.

    Nguyen et al., LEEP: A New Measure to Evaluate Transferability of Learned Representations, ICML 2020,
    https://arxiv.org/abs/2002.12462: with θ the softmax of the pretrained classifier's logits over its own classes z,
    `P(y | z) = Σ_{i: y_i = y} θ(x_i)_z / Σ_i θ(x_i)_z` and `LEEP = (1/N) Σ_i log Σ_z P(y_i | z) θ(x_i)_z`.

    Higher is better; at most 0.

    Args:
        logits: Logits of the pretrained classifier `(N, Z)`, over the classes that it was pretrained on.
        y: Class indices of the new task `(N,)`.

    Returns:
        The score, a scalar in nats.

    Raises:
        AdaptError: The shapes do not fit, logits are not finite, or there is one class.

    Examples:
        >>> import torch
        >>> from adapt.transferability import leep
        >>> y = torch.tensor([0, 1, 0, 1])
        >>> round(leep(100 * torch.nn.functional.one_hot(y, 3).float(), y).item(), 6) + 0.0
        0.0
    """
    x, y = labelled("leep", logits, y)
    if x.shape[1] < 2:
        raise AdaptError(f"leep expects logits of two pretrained classes or more, found {x.shape[1]}.")
    p = x.softmax(1)
    joint = torch.zeros(int(y.max()) + 1, p.shape[1], dtype=p.dtype).index_add_(0, y, p)
    # A pretrained class that no sample has any probability of tells nothing, and is multiplied by 0 below.
    given = joint / joint.sum(0).clamp_min(torch.finfo(p.dtype).tiny)
    return (given[y] * p).sum(1).log().mean()
