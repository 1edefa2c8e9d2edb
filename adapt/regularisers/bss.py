"""Batch spectral shrinkage."""

from torch import Tensor

from adapt.data.batches import Labelled
from adapt.encoding import Encoding
from adapt.losses import bss
from adapt.regularisers.base import Network, Regulariser


class BSS(Regulariser):
    """Squared smallest singular values of the batch's features.

    Paper: Chen et al., Catastrophic Forgetting Meets Negative Transfer: Batch Spectral Shrinkage for Safe Transfer
    Learning, NeurIPS 2019 (https://papers.nips.cc/paper/2019/hash/c6bff625bdb0393992c9d4db0c6bbe45-Abstract.html).

    Formula: `w · Σ_{i≤k} σ²_{−i}`, with σ_{−i} the i-th smallest singular value of the features `(N, d)`. These
    directions of the features transfer badly, and few labels overfit to them. The value shrinks with the batch, and a
    batch is never larger than the labelled samples. So few shots need a larger weight than the authors' batches of 48
    (0.1 for 4 samples on our tests' toy data).

    Published: not on a task here.

    Args:
        weight: Weight w.
        k: Number of singular values; a batch that has fewer uses all of them.
    """

    def __init__(self, weight: float = 1e-3, k: int = 1) -> None:
        super().__init__(weight)
        self.k = k

    def value(self, network: Network, batch: Labelled, encoding: Encoding) -> Tensor:
        """Sum of the squares, in squared feature units."""
        return bss(encoding.features, k=min(self.k, *encoding.features.shape))
