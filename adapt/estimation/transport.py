"""Confidence optimal transport."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from adapt.errors import AdaptError
from adapt.losses.predictions import class_logits

_LARGEST = 2000


def confidence_optimal_transport(y: Tensor, target: Tensor, *, max_samples: int = _LARGEST) -> Tensor:
    """One less what it costs to bring the target's predictions to the source's classes.

    Confidence optimal transport (COT), Lu et al., NeurIPS 2023, https://arxiv.org/abs/2305.15640: the error is the
    Wasserstein distance W between the target's softmax vectors p and the one-hot vectors of the source's classes, with
    ‖p − e_k‖_∞ as cost, which is 1 − p_k. The classes must occur as often in the target as in the source: predictions
    that leave a class out cost something even where all are certain.

    Each class gets a whole number of the samples (largest remainders), and the plan is exact. Reads the source's labels
    and unlabelled target samples. Cost: O(M³) time at worst and O(M²) memory for at most `max_samples`, which are
    taken at even distances: about 0.4 s for 2000 on one core.

    Args:
        y: Class indices of source samples `(N,)`.
        target: Class logits of target samples `(M, K)`.
        max_samples: Most target samples that are used.

    Returns:
        Accuracy in [0, 1].

    Raises:
        AdaptError: There is no label, or one that the logits have no class for.

    Examples:
        >>> import torch
        >>> from adapt.estimation import confidence_optimal_transport
        >>> y = torch.tensor([0, 1])
        >>> one = torch.tensor([[50.0, 0.0], [50.0, 0.0]])
        >>> confidence_optimal_transport(y, one).item()  # half of it belongs to the other class
        0.5
    """
    target = class_logits("confidence_optimal_transport", target)
    count = target.shape[1]
    if y.ndim != 1 or len(y) == 0 or int(y.min()) < 0 or int(y.max()) >= count:
        raise AdaptError(f"confidence_optimal_transport expects labels (N,) in 0 to {count - 1}, found {_range(y)}.")
    if len(target) > max_samples:
        target = target[torch.linspace(0, len(target) - 1, max_samples).long()]
    p = target.softmax(1).double().cpu().numpy()
    slots = np.repeat(np.arange(count), _quotas(np.bincount(y.cpu().numpy(), minlength=count), len(p)))
    rows, columns = linear_sum_assignment(1 - p[:, slots])
    return torch.as_tensor(p[rows, slots[columns]].mean()).to(target)


def _quotas(counts: NDArray[np.int64], total: int) -> NDArray[np.int64]:
    """Whole numbers in proportion to the counts, whose sum is the total."""
    exact = counts / counts.sum() * total
    whole: NDArray[np.int64] = np.floor(exact + 1e-9).astype(np.int64)
    whole[np.argsort(whole - exact, kind="stable")[: total - whole.sum()]] += 1
    return whole


def _range(y: Tensor) -> str:
    return f"{int(y.min())} to {int(y.max())}" if y.ndim == 1 and len(y) else f"shape {tuple(y.shape)}"
