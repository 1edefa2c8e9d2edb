"""Attracting and dispersing."""

from typing import Any, ClassVar

from torch import Tensor

from adapt.data.batches import Pair, TargetBatch
from adapt.encoding import Encoding
from adapt.errors import AdaptError
from adapt.losses import aad
from adapt.methods.memory import RemembersTarget
from adapt.problems import Classification, Problem


class AaD(RemembersTarget):
    """Target samples predicted as their neighbours are, and unlike the rest of their batch.

    Paper: Yang et al., Attracting and Dispersing: A Simple Approach for Source-free Domain Adaptation, NeurIPS 2022
    (https://arxiv.org/abs/2205.04183).

    Formula: `L = (1/M) Σ_i [ −Σ_{j ∈ N(i)} p_i·s_j + α(p) Σ_{j≠i} p_i·p_j ]`, with p the softmax of the target logits
    `(M, K)`, s the stored predictions of the k nearest neighbours by the features' cosine similarity, and
    α(p) = α (1 + 10 p)^−β over the training's progress p, see `adapt.losses.aad`. Features `(M, d)`.

    As in the authors' code: the memory of features and predictions begins with a pass over the target and takes in
    each batch before its neighbours are looked up; the classifier trains too. k = 5 and β = 5 are their VisDA's; their
    Office-Home has k = 4, later 2, and β = 0.75. Departures: the classifier is linear without weight normalisation, and
    a sample itself is left out by its position, not by leaving out the nearest. Start from the run that `SHOT` starts
    from (label smoothing 0.1, `bottleneck`), without augmentation of the target.

    The attraction's gradient falls with batches of few samples of a class: the dispersion then drives apart what
    belongs together. `train/agreement` is the share of a batch that is predicted as its neighbours are.

    Published, VisDA-2017, ResNet-101, mean over classes: 88.0 %; Office-Home, ResNet-50: 72.7 % (paper).

    Args:
        neighbours: Number k of neighbours.
        dispersion: Weight α at the start.
        decay: Exponent β by which it falls.
        **kwargs: Arguments of `Method`.

    Raises:
        AdaptError: An argument is out of range, or training starts without a source run.
    """

    family: ClassVar[str] = "source-free"
    problems: ClassVar[tuple[type[Problem], ...]] = (Classification,)
    source_free: ClassVar[bool] = True
    starts_from_source: ClassVar[bool] = True

    def __init__(self, neighbours: int = 5, dispersion: float = 1.0, decay: float = 5.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if neighbours < 1 or dispersion < 0 or decay < 0:
            raise AdaptError(
                f"AaD expects neighbours >= 1, dispersion >= 0 and decay >= 0, found {neighbours}, {dispersion} and "
                f"{decay}."
            )
        self.neighbours, self.dispersion, self.decay = neighbours, dispersion, decay

    def losses(self, batch: Pair | TargetBatch) -> dict[str, Tensor]:
        """Attraction to the neighbours, and dispersion of the batch."""
        encoded, near = self.with_neighbours(batch)
        return {"neighbours": aad(encoded.logits, near, dispersion=self.alpha)}

    def with_neighbours(self, batch: Pair | TargetBatch) -> tuple[Encoding, Tensor]:
        """The target's encoding, now remembered, and what was remembered of its neighbours' predictions `(M, k, K)`."""
        encoded, index = self(batch.target.x), batch.target.index
        self.memory.put(index, encoded.features, self.remembered(encoded.logits))
        near = self.memory.scores_of(self.memory.nearest(encoded.features, index, self.neighbours))
        if self.logs_now:
            agreed = near.mean(1).argmax(1) == encoded.logits.argmax(1)
            self.log_values({"agreement": agreed.float().mean(), "dispersion": self.alpha})
        return encoded, near

    @property
    def alpha(self) -> float:
        """The dispersion's weight at this batch."""
        falling: float = (1 + 10 * self.progress) ** -self.decay
        return self.dispersion * falling
