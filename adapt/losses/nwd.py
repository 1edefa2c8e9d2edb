"""Nuclear-norm Wasserstein discrepancy."""

import torch
from torch import Tensor

from adapt.losses.inputs import feature_pair, in_full_precision


@in_full_precision
def nwd(source_logits: Tensor, target_logits: Tensor) -> Tensor:
    """Difference of the domains' nuclear norms of predictions, ‖P_s‖_* / N − ‖P_t‖_* / M, with P the softmax.

    DALN, Chen et al. 2022, https://arxiv.org/abs/2204.03838. The classifier is its own critic: on the source, whose
    labels it learns, predictions are certain and of every class, so that their nuclear norm is large; on the target it
    is smaller. A classifier that maximises the difference and features that minimise it make the target's as large.

    Args:
        source_logits: Class logits `(N, K)`.
        target_logits: Class logits `(M, K)`; N ≠ M is allowed.

    Returns:
        Scalar without unit, in [−√(min(M, K) / M), √(min(N, K) / N)]; 0 for equal predictions.

    Raises:
        AdaptError: A tensor is no matrix or is empty, or the class counts differ.

    Examples:
        >>> import torch
        >>> from adapt.losses import nwd
        >>> certain, undecided = 100 * torch.eye(2), torch.zeros(2, 2)
        >>> round(nwd(certain, undecided).item(), 4)  # 2/2 − √(4 · ¼)/2
        0.5
    """
    source, target = feature_pair("nwd", source_logits, target_logits, minimum=1)
    of_source: Tensor = torch.linalg.svdvals(source.softmax(1)).sum() / len(source)
    of_target: Tensor = torch.linalg.svdvals(target.softmax(1)).sum() / len(target)
    return of_source - of_target
