"""Neighbourhood reciprocity clustering."""

from typing import Any, ClassVar

import torch
from torch import Tensor

from adapt.data.batches import Pair, TargetBatch
from adapt.errors import AdaptError
from adapt.losses import nrc
from adapt.methods.memory import RemembersTarget
from adapt.problems import Classification, Problem


class NRC(RemembersTarget):
    """Target samples predicted as their neighbours are, most of all as those whose neighbours they are in turn.

    Paper: Yang et al., Exploiting the Intrinsic Neighborhood Structure for Source-free Domain Adaptation, NeurIPS 2021
    (https://arxiv.org/abs/2110.04202).

    Formula: `L = −(1/M) Σ_i [ Σ_{j ∈ N(i)} A_ij s_j·p_i + r Σ_{j ∈ N(i)} Σ_{l ∈ N(j)} s_l·p_i ] − H(p̄)`, with p the
    softmax of the target logits `(M, K)`, p̄ its mean and H the entropy, s stored predictions, N(i) the k nearest
    neighbours by the features' cosine similarity (m nearest in the second sum), and A_ij = 1 where i ∈ N(j), else r,
    see `adapt.losses.nrc`. Features `(M, d)`.

    As in the authors' code: k = m = 5 and r = 0.1 (VisDA); the memory begins with a pass over the target and takes in
    each batch before the neighbours are looked up; a sample may be its neighbour's neighbour, which stands for the
    paper's self-regularisation, as their README says; the classifier trains too. Departures: the classifier is linear
    without weight normalisation; a sample itself is left out by its position. Start from the run that `SHOT` starts
    from (label smoothing 0.1, `bottleneck`). The neighbours' neighbours cost M · k · N products with a target of N
    samples.

    Args:
        neighbours: Number k of neighbours.
        expanded: Number m of each neighbour's neighbours.
        affinity: Weight r of neighbours that are not reciprocal, and of the neighbours' neighbours.
        **kwargs: Arguments of `Method`.

    Raises:
        AdaptError: An argument is out of range, or training starts without a source run.
    """

    family: ClassVar[str] = "source-free"
    problems: ClassVar[tuple[type[Problem], ...]] = (Classification,)
    source_free: ClassVar[bool] = True
    starts_from_source: ClassVar[bool] = True

    def __init__(self, neighbours: int = 5, expanded: int = 5, affinity: float = 0.1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if neighbours < 1 or expanded < 1 or affinity < 0:
            raise AdaptError(
                f"NRC expects neighbours >= 1, expanded >= 1 and affinity >= 0, found {neighbours}, {expanded} and "
                f"{affinity}."
            )
        self.neighbours, self.expanded, self.affinity = neighbours, expanded, affinity

    def losses(self, batch: Pair | TargetBatch) -> dict[str, Tensor]:
        """Agreement with neighbours and their neighbours, and diversity."""
        features, logits = self(batch.target.x)
        index, memory = batch.target.index, self.memory
        memory.put(index, features, self.remembered(logits))
        near = memory.nearest(features, index, self.neighbours)
        further = memory.nearest(memory.features_of(near).flatten(0, 1), near.flatten(), self.expanded)
        further = further.view(*near.shape, self.expanded)
        reciprocal = (further == index[:, None, None]).any(2)
        affinity = torch.where(reciprocal, 1.0, self.affinity)
        scores = memory.scores_of(near)
        if self.logs_now:
            agreed = scores.mean(1).argmax(1) == logits.argmax(1)
            self.log_values({"agreement": agreed.float().mean(), "reciprocal": reciprocal.float().mean()})
        expanded = memory.scores_of(further.flatten(1))
        return {"neighbours": nrc(logits, scores, affinity, expanded, expanded_affinity=self.affinity)}
