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
    """Minimise the target entropy by scale and shift of batch norm only, with each batch's own statistics.

    Paper: Wang et al., Tent: Fully Test-Time Adaptation by Entropy Minimization, ICLR 2021
    (https://arxiv.org/abs/2006.10726).

    Formula: `L = −(1/M) Σ_j Σ_k p_jk log p_jk`, with p the softmax of the target logits `(M, K)`, minimised over γ and
    β of every batch norm `γ (x − μ) / σ + β`, with μ and σ of the batch.

    Every other parameter is frozen, and every other layer is in evaluation mode, so dropout does not affect the
    entropy. With `evaluate_with: batch`, as in the paper, validation, test and prediction also normalise each batch
    with its own statistics. **Accuracy then depends on which samples are evaluated together**: on
    `--data.eval_batch_size`, on a small last batch, and most of all on the order. Test sets sorted by class, as in
    `ImageFolders`, give batches of a single class, and normalisation removes what identifies it. For them, and for
    single samples, take `running`: the average over the training batches, with the network's momentum. Then a sample's
    prediction does not depend on other samples.

    The paper adapts on the same inputs that it predicts; `adapt.streaming.TENT` does so (`adapt stream`). Here, as in
    the paper's Section 4.3, it adapts on the target's training inputs, and scale and shift are fixed at test time. No
    term prevents that all samples end in one class. Use a small learning rate and few steps; `SHOT` has a term against
    it.

    Published, SVHN→MNIST: TENT 91.8 %, and 93.5 % when adapted on the training inputs, as here (paper, Sections 4.2 and
    4.3).

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
        """Features and logits of inputs `(N, ...)`; `evaluate_with` chooses the statistics outside of training."""
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
