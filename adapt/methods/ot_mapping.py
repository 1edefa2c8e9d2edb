"""Optimal transport of frozen source features onto the target's."""

from typing import Any, ClassVar

import torch
from torch import Tensor

from adapt.data.batches import Labelled
from adapt.encoding import DomainEncoding, Encoding
from adapt.errors import AdaptError
from adapt.losses import barycentric_map, nearest_shift, transport_plan
from adapt.losses.ot_mapping import Plan
from adapt.methods.mapping import MappingMethod, Side


class OTMapping(MappingMethod):
    """Move each source sample with an optimal plan, to the mean of its target samples.

    Paper: Courty et al., Optimal Transport for Domain Adaptation, IEEE Transactions on Pattern Analysis and Machine
    Intelligence 2017 (https://arxiv.org/abs/1507.00504).

    Formula: `x_i → Σ_j γ_ij x'_j / Σ_j γ_ij`, with γ `(N, M)` the minimiser of `⟨γ, C⟩ + ε Σ γ log γ + η Ω(γ)` over the
    couplings of the two uniform distributions, C the squared distances over their median, and Ω a group lasso that
    keeps mass of different classes apart. The target is not changed. Only source labels y `(N,)` are used.

    The plan needs memory and time in N · M: above `max_samples` it couples a seeded draw from each domain. Other source
    samples, also those of the validation and test sets, move like their nearest neighbour in the plan (Ferradans et
    al., as in POT). Training samples are looked up by their index, so the unaugmented image is mapped even if images
    are augmented. The plan assumes that classes are equally frequent in source and target. If they are not, it moves
    some samples onto another class.

    Departures: a softmax classifier instead of nearest neighbours; exact and entropic plans besides the paper's group
    lasso; no Laplace regularization.

    Published: not on a task here.

    Args:
        plan: `emd` is exact, `sinkhorn` entropic, `group_lasso` entropic with source labels.
        entropy: ε; a larger ε moves every sample closer to the target's mean.
        group: η of the group lasso.
        max_samples: Largest number of samples of a domain that the plan couples.
        **kwargs: Arguments of `MappingMethod` except `components`.

    Raises:
        AdaptError: `max_samples` is below 1; at the start of training, POT (the extra `ot`) is missing.
    """

    needs: ClassVar[str] = "POT (`pip install 'adapt-lightning[ot]'`)"
    tensors: ClassVar[tuple[str, ...]] = ("source", "moved")

    def __init__(
        self,
        plan: Plan = "sinkhorn",
        entropy: float = 0.1,
        group: float = 0.1,
        max_samples: int = 2000,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if max_samples < 1:
            raise AdaptError(f"Expected max_samples of at least 1, found {max_samples}.")
        self.plan, self.entropy, self.group, self.max_samples = plan, entropy, group, max_samples

    def fit_map(self, source: DomainEncoding, target: DomainEncoding) -> dict[str, Tensor]:
        """The source's training features, and their new positions."""
        generator = torch.Generator().manual_seed(torch.initial_seed() % 2**31)
        at, to = (
            torch.randperm(len(x), generator=generator)[: self.max_samples].sort().values.to(x.device)
            for x in (source.features, target.features)
        )
        anchors, goals = source.features[at].double(), target.features[to].double()
        labels = None if source.y is None else source.y[at]
        found = transport_plan(anchors, goals, labels, plan=self.plan, entropy=self.entropy, group=self.group)
        features = source.features.double()
        moved = nearest_shift(features, anchors, barycentric_map(found.to(anchors.device), goals))
        return {"source": features, "moved": moved}

    def encode_source(self, samples: Labelled) -> Encoding:
        """New positions of source training samples."""
        features = self.map["moved"][samples.index].to(next(self.classifier.parameters()))
        return Encoding(features, self.classifier(features))

    def mapped(self, features: Tensor, side: Side) -> Tensor:
        """Move new source features like their nearest training sample; keep the target's features."""
        return nearest_shift(features, self.map["source"], self.map["moved"]) if side == "source" else features
