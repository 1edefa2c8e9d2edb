"""Batch spectral penalization, as an extra term of an adversarial method."""

from torch import Tensor

from adapt.encoding import Encoding
from adapt.losses import bsp
from adapt.penalties.base import Penalty


class BSP(Penalty):
    """Squared largest singular values of each domain's features.

    Paper: Chen et al., Transferability vs. Discriminability: Batch Spectral Penalization for Adversarial Domain
    Adaptation, ICML 2019 (http://proceedings.mlr.press/v97/chen19i.html).

    Formula: `w · Σ_{i≤k} (σ²_s,i + σ²_t,i)`, with σ the singular values of a domain's features `(N, d)` and `(M, d)` in
    descending order. Adversarial training lets the largest ones grow until the others no longer matter, but the others
    tell classes apart. The value grows with the batch size, as in the paper: a larger batch needs a smaller weight.

    Published, DANN + BSP: Office-31 mean, ResNet-50, 87.7 % (the paper's, in TLlib's table); MNIST→USPS 95.7,
    USPS→MNIST 97.8 % against source only 82.1 and 74.6 (TLlib, oracle).

    Args:
        weight: Weight w.
        k: Number of singular values of each domain.
    """

    def __init__(self, weight: float = 1e-4, k: int = 1) -> None:
        super().__init__(weight)
        self.k = k

    def value(self, source: Encoding, target: Encoding) -> Tensor:
        """Sum over both domains, in squared feature units."""
        return bsp(source.features, target.features, k=self.k)
