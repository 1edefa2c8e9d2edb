"""Adaptive batch normalisation."""

from typing import Any, ClassVar

import torch
from torch import Tensor

from adapt.data.batches import Pair, TargetBatch
from adapt.layers import batch_norms, only_batch_norm_trains
from adapt.losses import entropy
from adapt.methods.base import Method
from adapt.processes import average


class AdaBN(Method):
    """The target's statistics in the place of the source's, in every batch-norm layer; no weight changes.

    Paper: Li et al., Revisiting Batch Normalization For Practical Domain Adaptation, ICLR Workshop 2017
    (https://arxiv.org/abs/1603.04779).

    Formula: `γ_j (x_j − μ_j) / σ_j + β_j` for each unit j of a layer, with the source's γ and β, and `μ_j` and `σ²_j`
    the means over the training's batches of `mean(x_j)` and `var(x_j)`, var with n − 1. Inputs of a layer `(M, d)` or
    `(M, d, h, w)`.

    With several processes the statistics are the means over the batches of all of them.

    There is no loss, no gradient and no learning rate: `optimizer` and `lr_scheduler` are not used. `max_steps` counts
    batches, and one pass over the target is enough (a further one only adds the samples that the last, partial batch of
    the first had left out). All batches weigh the same, whatever the network's own momentum. `train/entropy` is that of
    the predictions; nothing minimises it.

    The network is in evaluation mode but for batch norm, so that no dropout enters the statistics. After a pass a
    layer's μ is the mean of all that reached it. Departures: below the first batch norm the layers see inputs that were
    normalised with their batch's statistics, where the paper finishes one layer after the other; σ² is the mean of the
    batches' variances, where the paper pools them: for shuffled batches both are unbiased.

    Published: not on a task here.

    Args:
        **kwargs: Arguments of `Method`.

    Raises:
        AdaptError: The network has no batch norm, or training starts without a source run.
    """

    family: ClassVar[str] = "source-free"
    needs: ClassVar[str] = "batch norm (`bottleneck`)"
    source_free: ClassVar[bool] = True
    starts_from_source: ClassVar[bool] = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.automatic_optimization = False
        self._layers = batch_norms(type(self).__name__, self.backbone, self.bottleneck)
        self.train()

    def train(self, mode: bool = True) -> "AdaBN":
        """Set the mode; in training mode only batch norm trains."""
        super().train(mode)
        if mode:
            only_batch_norm_trains(self.backbone, self.bottleneck)
        return self

    def losses(self, batch: Pair | TargetBatch) -> dict[str, Tensor]:
        """What is looked at; what counts is what batch norm keeps of the pass.

        The predictions' entropy, or the features' norm where there are no classes.
        """
        encoding = self(batch.target.x)
        if self.problem.probabilities:
            return {"entropy": entropy(encoding.logits)}
        return {"norm": encoding.features.norm(dim=1).mean()}

    def training_step(self, batch: Any, batch_idx: int) -> None:
        """Pass the target's batch through the network, and count it."""
        for layer in self._layers:
            if self.batches_seen == 0:
                layer.reset_running_stats()
            # All batches weigh the same. Torch's own way, None, asks the device at each layer how many there were.
            layer.momentum = 1 / (self.batches_seen + 1)
        with torch.no_grad():
            terms = self.losses(batch)
        kept = [statistic for layer in self._layers for statistic in (layer.running_mean, layer.running_var)]
        average([statistic for statistic in kept if statistic is not None])
        self.checked_sum(terms, batch)
        self.log_values(terms)
        counter: Any = self.optimizers()
        counter.step()

    def configure_optimizers(self) -> Any:
        """An optimizer that moves nothing: its steps are what Lightning counts towards `max_steps`."""
        return torch.optim.SGD([torch.zeros(1)], lr=0.0)
