"""NCE: how much the new labels still vary where the pretrained classes are known."""

import torch
from torch import Tensor

from adapt.errors import AdaptError
from adapt.transferability.inputs import numbered


def nce(z: Tensor, y: Tensor) -> Tensor:
    """Negative conditional entropy `−H(Y | Z)` of the labels given the pretrained classifier's classes.

    Tran et al., Transferability and Hardness of Supervised Classification Tasks, ICCV 2019,
    https://arxiv.org/abs/1908.08142: `Σ_{y, z} P(y, z) log P(y | z)` with the shares of the samples.

    Higher is better; at most 0.

    Args:
        z: Classes of the pretrained classifier `(N,)`, such as the largest of its logits.
        y: Class indices of the new task `(N,)`.

    Returns:
        The score, a scalar in nats.

    Raises:
        AdaptError: The shapes do not fit.

    Examples:
        >>> import torch
        >>> from adapt.transferability import nce
        >>> round(nce(torch.tensor([3, 3, 7, 7]), torch.tensor([0, 1, 1, 1])).item(), 4)  # ½ log ½
        -0.3466
    """
    if z.ndim != 1 or z.shape != y.shape or not len(z):
        raise AdaptError(f"nce expects two lists of classes (N,), found {tuple(z.shape)} and {tuple(y.shape)}.")
    z, y = numbered(z), numbered(y)
    counts = torch.zeros(int(z.max()) + 1, int(y.max()) + 1, dtype=torch.float64)
    counts.index_put_((z, y), torch.ones(len(y), dtype=torch.float64), accumulate=True)
    information: Tensor = torch.special.xlogy(counts, counts / counts.sum(1, keepdim=True)).sum()
    return information / len(y)
