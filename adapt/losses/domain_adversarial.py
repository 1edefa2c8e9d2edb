"""The domain discriminator's loss."""

from torch import Tensor
from torch.nn.functional import softplus

from adapt.errors import AdaptError
from adapt.losses.inputs import in_full_precision


@in_full_precision
def domain_adversarial(
    source_logits: Tensor,
    target_logits: Tensor,
    *,
    weights: tuple[Tensor, Tensor] | None = None,
    smoothing: float = 0.0,
) -> Tensor:
    """Binary cross-entropy of the domain, ½ mean log(1 + e^{−s}) + ½ mean log(1 + e^{t}); source is label 1.

    DANN, Ganin et al. 2016, https://arxiv.org/abs/1505.07818. Each domain has weight ½ whatever its batch size.
    The discriminator minimises it; a gradient reversal before the discriminator makes the features maximise it.

    Environment label smoothing, Zhang et al. 2023, https://arxiv.org/abs/2302.00194, replaces the labels 1 and 0 by
    1 − ε and ε: each sample's term becomes (1 − ε) log(1 + e^{−z}) + ε log(1 + e^{z}), with z = s and z = −t. The
    paper's γ is 1 − ε.

    Args:
        source_logits: Discriminator's logits `(N,)` or `(N, 1)`.
        target_logits: Discriminator's logits `(M,)` or `(M, 1)`; N ≠ M is allowed.
        weights: Factors on the samples' terms, `(N,)` and `(M,)`, such as `entropy_weights`; the means stay those over
            N and M. None is 1 for each.
        smoothing: Label smoothing ε of the domains, in [0, 0.5).

    Returns:
        Scalar in nats, nonnegative; log 2 where the discriminator is undecided and no weights are given.

    Raises:
        AdaptError: A tensor is empty or has more than one logit per sample, there is not one weight for each, or ε is
            out of range.

    Examples:
        >>> import torch
        >>> from adapt.losses import domain_adversarial
        >>> round(domain_adversarial(torch.zeros(4), torch.zeros(6)).item(), 4)  # an undecided discriminator: log 2
        0.6931
    """
    source, target = (
        one_logit("domain_adversarial", domain, logits)
        for domain, logits in (("source", source_logits), ("target", target_logits))
    )
    if not 0 <= smoothing < 0.5:
        raise AdaptError(f"domain_adversarial expects a label smoothing in [0, 0.5), found {smoothing}.")
    of_source, of_target = (None, None) if weights is None else weights
    for domain, logits, weight in (("source", source, of_source), ("target", target, of_target)):
        if weight is not None and weight.shape != logits.shape:
            raise AdaptError(
                f"domain_adversarial expects one weight per {domain} sample, {tuple(logits.shape)}, "
                f"found {tuple(weight.shape)}."
            )
    # Weights as factors and not as torch's argument, through which no gradient passes.
    each = ((_smoothed(source, smoothing), of_source), (_smoothed(-target, smoothing), of_target))
    source_loss, target_loss = ((loss if weight is None else loss * weight).mean() for loss, weight in each)
    return (source_loss + target_loss) / 2


def _smoothed(right: Tensor, smoothing: float) -> Tensor:
    # (1 − ε) log(1 + e^{−z}) + ε log(1 + e^{z}), as the two logarithms differ by z.
    return softplus(-right) + smoothing * right if smoothing else softplus(-right)


def domain_accuracy(source_logits: Tensor, target_logits: Tensor) -> Tensor:
    """Share of the samples whose domain is recognised, the mean of the two domains' shares.

    Args:
        source_logits: Discriminator's logits `(N,)`; source is the positive class.
        target_logits: Discriminator's logits `(M,)`.

    Returns:
        Scalar in [0, 1] without gradient.

    Examples:
        >>> import torch
        >>> from adapt.losses import domain_accuracy
        >>> domain_accuracy(torch.tensor([1.0, -1.0]), torch.tensor([-1.0, -1.0])).item()  # ½ and 1
        0.75
    """
    return ((source_logits > 0).float().mean() + (target_logits < 0).float().mean()) / 2


def one_logit(loss: str, domain: str, logits: Tensor) -> Tensor:
    """The logits `(N,)` of one domain, once their shape is right.

    Args:
        loss: Name of the loss, for the message.
        domain: Name of the domain, for the message.
        logits: Discriminator's logits `(N,)` or `(N, 1)`.

    Raises:
        AdaptError: The tensor is empty or has more than one logit per sample.
    """
    if logits.numel() == 0 or logits.ndim not in (1, 2) or logits.numel() != len(logits):
        raise AdaptError(
            f"{loss} expects one logit per {domain} sample, (N,) or (N, 1), found {tuple(logits.shape)}: "
            "use a discriminator with one output."
        )
    return logits.flatten()
