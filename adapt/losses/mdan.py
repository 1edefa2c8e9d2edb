"""The domain losses of several sources as one."""

import math

from torch import Tensor

from adapt.errors import AdaptError
from adapt.losses.inputs import in_full_precision


@in_full_precision
def soft_maximum(values: Tensor, *, sharpness: float = 10.0) -> Tensor:
    """Smooth maximum of the sources' losses, (1/γ) log [1/S Σ_i e^{γ v_i}]: between their mean and their maximum.

    MDAN, Zhao et al. 2018, https://arxiv.org/abs/1705.09684. Its gradient is a weighted mean, with most weight on the
    worst source. The paper leaves the 1/S out, a constant.

    Args:
        values: One loss per source `(S,)`.
        sharpness: γ, above 0.

    Returns:
        Scalar in units of the values.

    Raises:
        AdaptError: There is no value, or the sharpness is not positive.

    Examples:
        >>> import torch
        >>> soft_maximum(torch.tensor([2.0, 2.0])).item()
        2.0
    """
    if values.ndim != 1 or not len(values) or sharpness <= 0:
        raise AdaptError(
            f"soft_maximum expects values (S,) and a sharpness above 0, found {tuple(values.shape)} and {sharpness}."
        )
    return ((sharpness * values).logsumexp(0) - math.log(len(values))) / sharpness
