"""Adaptive feature norm, as an extra term of another method."""

from typing import Literal

from torch import Tensor

from adapt.encoding import Encoding
from adapt.losses import hafn, safn
from adapt.penalties.base import Penalty


class AFN(Penalty):
    """Pull the feature norms of both domains to larger values.

    Paper: Xu et al., Larger Norm More Transferable: An Adaptive Feature Norm Approach for Unsupervised Domain
    Adaptation, ICCV 2019 (https://arxiv.org/abs/1811.07456).

    Formula: `w · Σ_domains (1/n) Σ_i (‖f_i‖ − (‖f_i‖.detach() + Δ))²`, features `(N, d)` and `(M, d)`; for `hard`
    `w · Σ_domains ((1/n) Σ_i ‖f_i‖ − R)²`.

    Args:
        weight: Weight w.
        variant: `stepwise` (SAFN) or `hard` (HAFN).
        step: Growth Δ of `stepwise`, in feature units.
        radius: Norm R of `hard`, in feature units.
    """

    def __init__(
        self,
        weight: float = 0.05,
        variant: Literal["stepwise", "hard"] = "stepwise",
        step: float = 1.0,
        radius: float = 25.0,
    ) -> None:
        super().__init__(weight)
        self.variant, self.step, self.radius = variant, step, radius

    def value(self, source: Encoding, target: Encoding) -> Tensor:
        """Squared distance of the norms from their goal."""
        if self.variant == "hard":
            return hafn(source.features, target.features, radius=self.radius)
        return safn(source.features, target.features, step=self.step)
