"""The loss of ADDA's target encoder."""

from torch import Tensor
from torch.nn.functional import softplus

from adapt.losses.domain_adversarial import one_logit
from adapt.losses.inputs import in_full_precision


@in_full_precision
def adda(target_logits: Tensor) -> Tensor:
    """Cross-entropy of the target against the source's domain label, mean log(1 + e^{−t}).

    ADDA, Tzeng et al. 2017, https://arxiv.org/abs/1702.05464: the "GAN loss" with inverted labels. Its gradient stays
    strong where the discriminator is certain; reversing the discriminator's own loss loses it there.

    Args:
        target_logits: Discriminator's logits of the target features, `(M,)` or `(M, 1)`; source is label 1.

    Returns:
        Scalar in nats, nonnegative; log 2 where the discriminator is undecided.

    Raises:
        AdaptError: The tensor is empty or has more than one logit per sample.

    Examples:
        >>> import torch
        >>> from adapt.losses import adda
        >>> round(adda(torch.zeros(4)).item(), 4)  # an undecided discriminator: log 2
        0.6931
    """
    return softplus(-one_logit("adda", "target", target_logits)).mean()
