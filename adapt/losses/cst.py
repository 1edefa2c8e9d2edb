"""The two losses of cycle self-training: a classifier of pseudo-labels judged on the source, and Tsallis entropy."""

import torch
from torch import Tensor
from torch.nn.functional import normalize

from adapt.errors import AdaptError
from adapt.losses.inputs import feature_pair, in_full_precision
from adapt.losses.predictions import class_logits


@in_full_precision
def reverse_error(source: Tensor, target: Tensor, y: Tensor, target_logits: Tensor, *, ridge: float = 1e-3) -> Tensor:
    """Error on the source of a classifier that was fitted to the target's pseudo-labels, ‖Ŝ W − Y‖² / (N K).

    CST, Liu et al. 2021, https://arxiv.org/abs/2103.03571. W = T̂ᵀ (T̂ T̂ᵀ + r I)⁻¹ Ŷ is the ridge regression of the
    pseudo-labels on the target's features, so that it follows from the features in closed form, and a gradient passes
    through both. Ŝ and T̂ are features of length 1, Y the source's labels and Ŷ the target's most likely classes, as
    one-hot rows minus 1/K.

    Args:
        source: Features `(N, d)`.
        target: Features `(M, d)`; N ≠ M is allowed.
        y: Class indices of the source `(N,)`.
        target_logits: Class logits of the target `(M, K)`, of which the largest is the pseudo-label; without gradient.
        ridge: Weight r.

    Returns:
        Scalar without unit, nonnegative.

    Raises:
        AdaptError: The shapes do not fit, or the ridge is not above 0.

    Examples:
        >>> import torch
        >>> from adapt.losses import reverse_error
        >>> x, y = torch.eye(2), torch.tensor([0, 1])
        >>> right, wrong = 9 * torch.eye(2), 9 * torch.eye(2).flip(0)
        >>> reverse_error(x, x, y, right) < reverse_error(x, x, y, wrong)
        tensor(True)
    """
    source, target = feature_pair("reverse_error", source, target, minimum=1)
    logits = class_logits("reverse_error", target_logits)
    if y.shape != (len(source),) or len(logits) != len(target):
        raise AdaptError(
            f"reverse_error expects y (N,) and target_logits (M, K) for N = {len(source)} and M = {len(target)}, "
            f"found {tuple(y.shape)} and {tuple(logits.shape)}."
        )
    if ridge <= 0:
        raise AdaptError(f"reverse_error expects a ridge above 0, found {ridge}.")
    s, t = normalize(source, dim=1), normalize(target, dim=1)
    named = torch.arange(logits.shape[1], device=y.device)
    of_source, of_target = ((labels[:, None] == named).to(t) - 1 / len(named) for labels in (y, logits.argmax(1)))
    gram = t @ t.T + ridge * torch.eye(len(t), dtype=t.dtype, device=t.device)
    # `solve` would read the solver's verdict on the host; with a ridge there is always a solution.
    weights: Tensor = torch.linalg.solve_ex(gram, of_target).result
    return (s @ (t.T @ weights) - of_source).square().mean()


@in_full_precision
def tsallis_entropy(logits: Tensor, *, index: float = 1.9, temperature: float = 2.0) -> Tensor:
    """Tsallis entropy of the predictions, a mean of each class's, Σ_k [1 − Σ_i w_i p_ik^α / Σ_i w_i p_ik] / (α − 1).

    CST, Liu et al. 2021, https://arxiv.org/abs/2103.03571, as its code has it. p is the softmax of the logits divided
    by T. Within a class, samples count by how likely they are of it, and by w_i ∝ 1 + e^{−H_i}, H the entropy of p_i,
    without gradient. α → 1 is the Gibbs entropy; a larger α forgives uncertain predictions sooner.

    Args:
        logits: Class logits `(M, K)`.
        index: Entropic index α, above 0 and not 1.
        temperature: Temperature T.

    Returns:
        Scalar without unit, in [0, K / (α − 1)] for α above 1.

    Raises:
        AdaptError: `logits` is not a matrix or is empty, or an option is out of range.

    Examples:
        >>> import torch
        >>> from adapt.losses import tsallis_entropy
        >>> round(tsallis_entropy(torch.zeros(3, 2), index=2.0).item(), 4)  # two classes, 1 − ½ each
        1.0
    """
    if index <= 0 or index == 1 or temperature <= 0:
        raise AdaptError(
            f"tsallis_entropy expects an index above 0 other than 1 and a temperature above 0, found {index} and "
            f"{temperature}."
        )
    log_p = (class_logits("tsallis_entropy", logits) / temperature).log_softmax(1)
    p = log_p.exp()
    weights = (1 + torch.exp((p * log_p).sum(1, keepdim=True))).detach()
    # In logarithms, for a class that nobody could be has the share 0 of nothing.
    log_w = weights.log()
    shares = torch.logsumexp(index * log_p + log_w, 0) - torch.logsumexp(log_p + log_w, 0)
    return (1 - shares.exp()).sum() / (index - 1)
