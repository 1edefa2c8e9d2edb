"""ROID's loss, its weights and its correction of the classes' shares."""

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from adapt.errors import AdaptError
from adapt.losses.entropy import sample_entropy
from adapt.losses.inputs import in_full_precision
from adapt.losses.predictions import class_logits


@in_full_precision
def soft_likelihood_ratio(logits: Tensor, clip: float = 0.99, eps: float = 1e-5) -> Tensor:
    """Soft likelihood ratio of each sample, −Σ_k p_k log(p_k / (1 − p_k) + ε), p clipped at 0.99.

    Unlike the entropy's, its gradient does not vanish for certain predictions. ROID, Marsden et al., WACV 2024,
    https://arxiv.org/abs/2306.00650, with the authors' clip and ε; the loss is Mummadi et al.'s,
    https://arxiv.org/abs/2106.14999.

    Args:
        logits: Class logits `(N, K)`.
        clip: Largest p; above it there is no gradient.
        eps: ε.

    Returns:
        `(N,)`.

    Raises:
        AdaptError: `logits` is not a matrix or is empty, or the clip is not in (0, 1).

    Examples:
        >>> import torch
        >>> from adapt.losses import soft_likelihood_ratio
        >>> soft_likelihood_ratio(torch.tensor([[9.0, 0.0]]))  # −0.99 · log 99, and a little
        tensor([-4.5481])
    """
    if not 0 < clip < 1:
        raise AdaptError(f"soft_likelihood_ratio expects a clip between 0 and 1, found {clip}.")
    p = class_logits("soft_likelihood_ratio", logits).softmax(1).clamp(0.0, clip)
    return -(p * (p / (1 - p) + eps).log()).sum(1)


@in_full_precision
def certainty_diversity_weights(logits: Tensor, mean: Tensor, temperature: float = 1 / 3) -> Tensor:
    """Weight of each sample by how certain and how different from earlier ones it is; without gradient.

    With d = 1 − cos(p, m) and c = −H(p), each scaled to [0, 1] over the batch: exp(d · c / T), and 0 where d is below
    its mean. ROID, Marsden et al., WACV 2024, https://arxiv.org/abs/2306.00650, as in the authors' code.

    Args:
        logits: Class logits `(N, K)`, whose softmax is p.
        mean: m `(K,)`, moving average of earlier predictions.
        temperature: T.

    Returns:
        `(N,)`, 0 or at least 1; all 1 where d or c are equal for all samples.

    Raises:
        AdaptError: `logits` is not a matrix or is empty, m has another width, or T is not positive.

    Examples:
        >>> import torch
        >>> from adapt.losses import certainty_diversity_weights
        >>> logits = torch.tensor([[9.0, 0.0], [0.0, 9.0], [0.0, 0.0]])
        >>> certainty_diversity_weights(logits, torch.tensor([0.9, 0.1]), temperature=1.0)
        tensor([0.0000, 2.7183, 0.0000])
    """
    logits = class_logits("certainty_diversity_weights", logits).detach()
    if mean.shape != logits.shape[1:] or temperature <= 0:
        raise AdaptError(
            f"certainty_diversity_weights expects a mean of {logits.shape[1]} classes and a positive temperature, "
            f"found {tuple(mean.shape)} and {temperature}."
        )
    diversity = _scaled(1 - cosine_similarity(logits.softmax(1), mean[None], dim=1))
    certainty = _scaled(-sample_entropy(logits))
    weights = (diversity * certainty / temperature).exp()
    return torch.where(diversity < diversity.mean(), torch.zeros_like(weights), weights)


def _scaled(values: Tensor) -> Tensor:
    low, high = values.min(), values.max()
    # The authors' code divides by zero for a batch of one sample, or of equal ones.
    return torch.where(high > low, (values - low) / (high - low).clamp_min(1e-12), torch.zeros_like(values))


@in_full_precision
def corrected_by_prior(logits: Tensor) -> Tensor:
    """Log-probabilities, weighted by the batch's smoothed shares of the classes: log p_ik + log s_k, unnormalised.

    s = (m + δ) / (1 + δ K), with m the batch's mean prediction and δ = max(1/N, 1/K) / max_k m_k, so that only large
    batches of few classes change much. ROID, Marsden et al., WACV 2024, https://arxiv.org/abs/2306.00650. The authors'
    code multiplies the logits themselves by s, which for negative logits turns the correction around.

    Args:
        logits: Class logits `(N, K)`.

    Returns:
        Logits `(N, K)`.

    Raises:
        AdaptError: `logits` is not a matrix or is empty.

    Examples:
        >>> import torch
        >>> from adapt.losses import corrected_by_prior
        >>> corrected_by_prior(torch.tensor([[2.0, 0.0], [0.0, 0.1]])).softmax(1)[1]  # the first class is frequent
        tensor([0.5472, 0.4528])
    """
    log_p = class_logits("corrected_by_prior", logits).log_softmax(1)
    mean = log_p.exp().mean(0)
    smooth = max(1 / log_p.shape[0], 1 / log_p.shape[1]) / mean.max()
    return log_p + ((mean + smooth) / (1 + smooth * log_p.shape[1])).log()
