"""Weights of source samples, by how little a discriminator takes them for the source's."""

from torch import Tensor
from torch.nn.functional import logsigmoid

from adapt.losses.domain_adversarial import one_logit
from adapt.losses.inputs import in_full_precision


@in_full_precision
def importance_weights(source_logits: Tensor) -> Tensor:
    """How likely each source sample is the target's to a discriminator, over the batch's mean, (1 − d_i) / mean(1 − d).

    IWAN, Zhang et al. 2018, https://arxiv.org/abs/1803.09210, with d the sigmoid of the logit. A sample of a class that
    the target lacks is easily known for the source's, and gets a small weight. With d the best discriminator,
    (1 − d) / d is the ratio of the domains' densities.

    Args:
        source_logits: Discriminator's logits of source samples `(N,)` or `(N, 1)`; source is label 1.

    Returns:
        Weights `(N,)`, nonnegative and with mean 1, without gradient.

    Raises:
        AdaptError: The tensor is empty or has more than one logit per sample.

    Examples:
        >>> import torch
        >>> from adapt.losses import importance_weights
        >>> importance_weights(torch.tensor([0.0, 999.0]))  # the second is surely of the source
        tensor([2., 0.])
    """
    logits = one_logit("importance_weights", "source", source_logits).detach()
    # A softmax of logarithms, for all of a batch may be surely of the source.
    return len(logits) * logsigmoid(-logits).softmax(0)
