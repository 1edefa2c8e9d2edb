"""Alignment of the principal subspaces of frozen features."""

from typing import Any, ClassVar

import torch
from torch import Tensor

from adapt.encoding import DomainEncoding
from adapt.losses import subspace_alignment
from adapt.methods.mapping import MappingMethod, Side


class SubspaceAlignment(MappingMethod):
    """Project each domain on its principal axes, and align the source's axes with the target's.

    Paper: Fernando et al., Unsupervised Visual Domain Adaptation Using Subspace Alignment, ICCV 2013
    (https://doi.org/10.1109/ICCV.2013.368).

    Formula: `x_s → (x_s − μ_s) P_s P_sᵀ P_t`, `x_t → (x_t − μ_t) P_t`, with P `(d, k)` the leading eigenvectors of a
    domain's covariance. Axes and means are aligned; the variances along the axes are not.

    Departures: a softmax classifier instead of nearest neighbours and an SVM; both sides are divided by the same
    number, so that the target's components have mean variance 1 in any unit; k is an argument, while the paper bounds
    it by the stability of the eigenvectors. The paper standardises every feature of each domain first (`standardise:
    domains` of `Features`).

    Published: not on a task here.

    Args:
        components: Number of axes k, at most the width of the features.
        **kwargs: Arguments of `MappingMethod`.
    """

    tensors: ClassVar[tuple[str, ...]] = ("source_weight", "source_bias", "target_weight", "target_bias")

    def __init__(self, components: int = 50, **kwargs: Any) -> None:
        super().__init__(components=components, **kwargs)

    def fit_map(self, source: DomainEncoding, target: DomainEncoding) -> dict[str, Tensor]:
        """The projections of both sides."""
        weights = subspace_alignment(source.features, target.features, components=self.num_features)
        means = source.features.double().mean(0), target.features.double().mean(0)
        spread = ((target.features.double() - means[1]) @ weights[1]).var(0).mean().sqrt()
        found: dict[str, Tensor] = {}
        for side, weight, mean in zip(("source", "target"), weights, means, strict=True):
            found |= {f"{side}_weight": weight / spread, f"{side}_bias": -mean @ weight / spread}
        return found

    def mapped(self, features: Tensor, side: Side) -> Tensor:
        """The components of one side `(N, k)`."""
        return torch.addmm(self.map[f"{side}_bias"], features, self.map[f"{side}_weight"])
