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
    """Replace the source's batch-norm statistics by the target's in every layer; no weight changes.

    Paper: Li et al., Revisiting Batch Normalization For Practical Domain Adaptation, ICLR Workshop 2017
    (https://arxiv.org/abs/1603.04779).

    Formula: `γ_j (x_j − μ_j) / σ_j + β_j` for each unit j of a layer, with the source's γ and β, and `μ_j` and `σ²_j`
    the means of `mean(x_j)` and `var(x_j)` over all training batches, var with n − 1. Inputs of a layer `(M, d)` or
    `(M, d, h, w)`.

    With several processes the means are over the batches of all processes.

    There is no loss, no gradient and no learning rate: `optimizer` and `lr_scheduler` are not used. `max_steps` counts
    batches. One pass over the target is enough (a second pass only adds the samples that the first pass dropped with
    its partial last batch). All batches weigh the same; the network's own momentum is ignored. `train/entropy` is the
    entropy of the predictions; it is not minimised.

    All layers but batch norm are in evaluation mode, so that dropout does not affect the statistics. After a pass, a
    layer's μ is the mean of all its inputs. Departures: layers after the first batch norm get inputs that were
    normalised with their batch's statistics; the paper finishes one layer before the next. σ² is the mean of the
    batches' variances; the paper pools them. For shuffled batches both are unbiased.

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
        """Values for the log only; the effect of the pass is the updated batch-norm statistics.

        They are the predictions' entropy, or the features' norm if there are no classes.
        """
        encoding = self(batch.target.x)
        if self.problem.probabilities:
            return {"entropy": entropy(encoding.logits)}
        return {"norm": encoding.features.norm(dim=1).mean()}

    def training_step(self, batch: Any, batch_idx: int) -> None:
        """Pass the target batch through the network, and count it."""
        for layer in self._layers:
            if self.batches_seen == 0:
                layer.reset_running_stats()
            # All batches weigh the same. Torch's momentum=None would do this too, but makes the CPU wait at each layer.
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
        """An optimizer that changes nothing: Lightning counts its steps towards `max_steps`."""
        return torch.optim.SGD([torch.zeros(1)], lr=0.0)
