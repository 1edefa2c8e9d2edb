"""An auxiliary classifier of the target alone, without parameters."""

from typing import Any, ClassVar

from torch import Tensor

from adapt.data.batches import Pair
from adapt.errors import AdaptError
from adapt.losses import sharpened, weighted_pseudo_labels
from adapt.methods.memory import RemembersTarget
from adapt.problems import Classification, Problem


class ATDOC(RemembersTarget):
    """Pseudo-labels from the target's own neighbourhoods, which the source's classifier has no part in.

    Paper: Liang, Hu and Feng, Domain Adaptation with Auxiliary Target Domain-Oriented Classifier, CVPR 2021
    (https://arxiv.org/abs/2007.04171).

    Formula: `L = CE(f(x_s), y_s) + w · p · Σ_i v_i CE(f(x_t,i), ŷ_i) / Σ_i v_i`, where ŷ_i is the class with the
    largest mean over the stored predictions of the k nearest target samples by cosine similarity, and v_i that mean; p
    is the training's progress. What is stored is p_ik² / Σ_j p_jk² over the sample's batch, see
    `adapt.losses.sharpened`. Features `(M, d)`, logits `(M, K)`.

    This is the paper's neighbourhood aggregation, its better variant. As in the authors' code: k = 5, w = 1, a weight
    that grows linearly, a memory that keeps the newest values alone. Departures: the memory begins with a pass over
    the target, where theirs begins at random; it takes in a batch's features and predictions as the step computes
    them, in place of a second pass in evaluation mode after it; both domains are encoded in one pass. The authors train
    with `label_smoothing: 0.1`. `train/agreement` is the share of a batch that is predicted as its neighbours vote.

    Published, Office-Home mean, ResNet-50: 72.2 % (paper).

    Args:
        weight: Weight w of the pseudo-labels at the end of training.
        neighbours: Number k of neighbours.
        **kwargs: Arguments of `Method`.

    Raises:
        AdaptError: The number of neighbours is below 1.
    """

    family: ClassVar[str] = "self-training"
    problems: ClassVar[tuple[type[Problem], ...]] = (Classification,)

    def __init__(self, weight: float = 1.0, neighbours: int = 5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if neighbours < 1:
            raise AdaptError(f"ATDOC expects at least 1 neighbour, found {neighbours}.")
        self.weight, self.neighbours = weight, neighbours

    def losses(self, batch: Pair) -> dict[str, Tensor]:
        """Source cross-entropy, and the target's with what its neighbours vote for."""
        source, target = self.encode(batch)
        index, memory = batch.target.index, self.memory
        votes = memory.scores_of(memory.nearest(target.features, index, self.neighbours)).mean(1)
        memory.put(index, target.features, self.remembered(target.logits))
        if self.logs_now:
            self.log_values({"agreement": (votes.argmax(1) == target.logits.argmax(1)).float().mean()})
        return {
            "source": self.supervised_loss(source.logits, batch.source.y),
            "pseudo_label": self.weight * self.progress * weighted_pseudo_labels(target.logits, votes),
        }

    def remembered(self, logits: Tensor) -> Tensor:
        """What is kept of logits `(N, K)`: the sharpened predictions."""
        return sharpened(logits)
