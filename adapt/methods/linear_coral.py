"""Correlation alignment of frozen features."""

from typing import Any, ClassVar

from torch import Tensor

from adapt.encoding import DomainEncoding
from adapt.losses import coral_map
from adapt.methods.mapping import MappingMethod, Side


class LinearCORAL(MappingMethod):
    """Whiten the source features, and give them the target's covariance and mean.

    Paper: Sun, Feng and Saenko, Return of Frustratingly Easy Domain Adaptation, AAAI 2016
    (https://arxiv.org/abs/1511.05547).

    Formula: `x_s → (x_s − μ_s) (C_s + λ_s I)^{−½} (C_t + λ_t I)^{½} + μ_t`, with μ and C mean and covariance (n − 1) of
    a domain's training features `(N, d)` and `(M, d)`, and λ = r · tr C / d. The target is not changed.

    The paper standardises every feature of each domain and takes λ = 1. This is the default r together with
    `standardise: domains` of `Features`. Departure: a softmax classifier instead of the paper's SVM.

    Published: not on a task here.

    Args:
        regularization: r, in units of each domain's mean variance. If there are fewer samples than features, it keeps
            the whitening from amplifying directions in which the samples do not vary.
        **kwargs: Arguments of `MappingMethod` except `components`.
    """

    tensors: ClassVar[tuple[str, ...]] = ("weight", "bias")

    def __init__(self, regularization: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.regularization = regularization

    def fit_map(self, source: DomainEncoding, target: DomainEncoding) -> dict[str, Tensor]:
        """The affine map of the source."""
        weight, bias = coral_map(source.features, target.features, regularization=self.regularization)
        return {"weight": weight, "bias": bias}

    def mapped(self, features: Tensor, side: Side) -> Tensor:
        """Move the source's features, keep the target's."""
        return features @ self.map["weight"] + self.map["bias"] if side == "source" else features
