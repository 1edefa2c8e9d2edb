"""Class weights under label shift, from a confusion matrix."""

import torch
from torch import Tensor

from adapt.density_ratio.classes import double_probabilities
from adapt.errors import AdaptError

_SINGULAR = 1e-6


def bbse(source: Tensor, y: Tensor, target: Tensor, *, soft: bool = False) -> Tensor:
    """Weights w_k = p_t(y = k) / p_s(y = k) from what a classifier predicts: w = C⁻¹ μ (black-box shift estimation).

    Lipton, Wang & Smola 2018, https://arxiv.org/abs/1802.03916. `C_ij = P_s(ŷ = i, y = j)` is counted on held-out
    source samples, `μ_i = P_t(ŷ = i)` on target samples. Under label shift, p_s(x | y) = p_t(x | y), `C w = μ` is
    exact for any classifier whose C can be inverted; a bad one makes the estimate noisy. Entries below 0 become 0, for
    no weight is negative (as in the code of Alexandari et al., `abstention`).

    Args:
        source: Probabilities `(N, K)` of held-out source samples.
        y: Their class indices `(N,)`.
        target: Probabilities `(M, K)` of target samples.
        soft: Take `P_s(i | x)` in the place of the predicted class, in C and μ alike.

    Returns:
        Weights `(K,)`.

    Raises:
        AdaptError: Shapes that do not fit, values that are no probabilities, or a matrix that cannot be inverted.

    Examples:
        >>> eye = torch.eye(2, dtype=torch.float64)
        >>> bbse(eye[[0, 0, 0, 1]], torch.tensor([0, 0, 0, 1]), eye[[0, 1, 1, 1]])
        tensor([0.3333, 3.0000], dtype=torch.float64)
    """
    p, q = double_probabilities("bbse", source, target)
    if y.shape != (len(p),):
        raise AdaptError(f"bbse expects a class index for each of {len(p)} source samples, found {tuple(y.shape)}.")
    classes = p.shape[1]
    if not soft:
        p, q = (torch.nn.functional.one_hot(part.argmax(1), classes).to(part.dtype) for part in (p, q))
    joint = p.T @ torch.nn.functional.one_hot(y.to(p.device), classes).to(p.dtype) / len(p)
    values = torch.linalg.svdvals(joint)
    if values[-1] <= _SINGULAR * values[0]:
        unseen = [str(k) for k in range(classes) if not joint[:, k].any()]
        never = [str(k) for k in range(classes) if not joint[k].any()]
        why = f"class {unseen[0]} is not among the held-out source samples" if unseen else ""
        why = why or (f"class {never[0]} is never predicted there" if never else "classes are predicted alike")
        raise AdaptError(
            f"bbse expects a confusion matrix that can be inverted, found that {why}. Hold out more "
            "(--data.val_fraction), train longer, or take mlls."
        )
    weights: Tensor = torch.linalg.solve(joint, q.mean(0)).clamp(min=0)
    return weights.to(torch.promote_types(source.dtype, torch.float32))
