"""The part of features that speaks for a class."""

import torch
from torch import Tensor

from adapt.errors import AdaptError
from adapt.losses.inputs import in_full_precision


@in_full_precision
def task_features(features: Tensor, weights: Tensor) -> Tensor:
    """Features weighted by what they do for the sample's class, at their own length, f ⊙ w · ‖f‖ / ‖f ⊙ w‖.

    ToAlign, Wei et al. 2021, https://arxiv.org/abs/2106.10812. w is the gradient of the class's logit by the features:
    for a linear classifier the class's row of its weights. No gradient passes through w.

    Args:
        features: Features f `(N, d)`.
        weights: The row w of each sample's class `(N, d)`.

    Returns:
        `(N, d)`; zeros where f ⊙ w is 0.

    Raises:
        AdaptError: A tensor is no matrix, or the shapes differ.

    Examples:
        >>> import torch
        >>> from adapt.losses import task_features
        >>> task_features(torch.tensor([[3.0, 4.0]]), torch.tensor([[0.0, 2.0]]))  # only the second speaks for it
        tensor([[0., 5.]])
    """
    if features.ndim != 2 or features.shape != weights.shape:
        raise AdaptError(
            f"task_features expects features (N, d) and as many weights, found {tuple(features.shape)} and "
            f"{tuple(weights.shape)}."
        )
    kept = features * weights.detach()
    # The squares' sum first, for the root has no slope at 0.
    ratio = features.square().sum(1, keepdim=True) / kept.square().sum(1, keepdim=True).clamp_min(1e-30)
    return kept * ratio.clamp_min(1e-30).sqrt() * (torch.sign(ratio) > 0)
