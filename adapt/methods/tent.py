"""Test entropy minimisation."""

from typing import Any, ClassVar, Literal

from torch import Tensor

from adapt.data.batches import Pair, TargetBatch
from adapt.encoding import Encoding
from adapt.errors import AdaptError
from adapt.layers import batch_norms, batch_statistics, only_batch_norm_trains
from adapt.losses import entropy
from adapt.methods.base import Method
from adapt.problems import Classification, Problem


class TENT(Method):
    """Certain target predictions, by scale and shift of batch norm alone, normalised with each batch's statistics.

    Paper: Wang et al., Tent: Fully Test-Time Adaptation by Entropy Minimization, ICLR 2021
    (https://arxiv.org/abs/2006.10726).

    Formula: `L = −(1/M) Σ_j Σ_k p_jk log p_jk`, with p the softmax of the target logits `(M, K)`, minimised over γ and
    β of every batch norm `γ (x − μ) / σ + β`, with μ and σ of the batch.

    Every other parameter is frozen, and every other layer in evaluation mode: no dropout enters the entropy. With
    `evaluate_with: batch`, the paper's way, validation, test and prediction too normalise each batch with its own
    statistics. **An accuracy then depends on what is evaluated together**: on `--data.eval_batch_size`, on a small last
    batch, and most of all on the order. Test sets sorted by class, as `ImageFolders` has them, make batches of one
    class, in which nothing is left of it. There, and for single samples, take `running`: the average over the
    training's batches, kept with the network's momentum, so that a sample's prediction depends on no other.

    The paper adapts on the very inputs that it then predicts. Here, as in its Section 4.3, the target's training inputs
    are adapted on, and scale and shift are fixed when the test inputs are predicted. Nothing keeps all samples from one
    class: a small learning rate and few steps do, and `SHOT` has a term for it.

    Published, SVHN→MNIST: TENT 91.8 %, and 93.5 % adapted on the training inputs as here (paper, Sections 4.2 and 4.3).

    Args:
        evaluate_with: Statistics outside of training: those of the `batch`, or the `running` average.
        **kwargs: Arguments of `Method`.

    Raises:
        AdaptError: The network has no batch norm with scale and shift, training starts without a source run, or a
            batch of one sample is evaluated with its own statistics.
    """

    family: ClassVar[str] = "source-free"
    problems: ClassVar[tuple[type[Problem], ...]] = (Classification,)
    needs: ClassVar[str] = "batch norm (`bottleneck`)"
    source_free: ClassVar[bool] = True
    starts_from_source: ClassVar[bool] = True

    def __init__(self, evaluate_with: Literal["batch", "running"] = "batch", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.evaluate_with = evaluate_with
        self.requires_grad_(False)
        for layer in batch_norms(type(self).__name__, self.backbone, self.bottleneck):
            layer.requires_grad_(True)
        self.train()

    def train(self, mode: bool = True) -> "TENT":
        """Set the mode; in training mode only batch norm trains."""
        super().train(mode)
        if mode:
            only_batch_norm_trains(self.backbone, self.bottleneck)
        return self

    def forward(self, x: Tensor) -> Encoding:
        """Features and logits of inputs `(N, ...)`, normalised as `evaluate_with` says outside of training."""
        if self.training or self.evaluate_with == "running":
            return super().forward(x)
        if len(x) == 1:
            raise AdaptError(
                "TENT normalises with a batch's own statistics, found a batch of 1 sample. "
                "Change --data.eval_batch_size, or train with --model.evaluate_with running."
            )
        with batch_statistics(batch_norms(type(self).__name__, self.backbone, self.bottleneck)):
            return super().forward(x)

    def losses(self, batch: Pair | TargetBatch) -> dict[str, Tensor]:
        """The target's entropy."""
        return {"entropy": entropy(self(batch.target.x).logits)}
