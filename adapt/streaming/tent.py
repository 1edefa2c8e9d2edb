"""Entropy minimisation while the target streams in."""

from typing import Any

from torch import Tensor

from adapt.losses import entropy
from adapt.streaming.base import StreamMethod
from adapt.trees import Tree


class TENT(StreamMethod):
    """Predict a batch with its own statistics, then take one step down its entropy by scale and shift.

    Paper: Wang et al., Tent: Fully Test-Time Adaptation by Entropy Minimization, ICLR 2021
    (https://arxiv.org/abs/2006.10726).

    Formula: `L = −(1/N) Σ_i Σ_k p_ik log p_ik` over the batch, minimised over γ and β of every normalising layer; batch
    norm uses the batch's statistics. The prediction is that of before the step.

    This is the paper's online setting. `adapt.methods.TENT` minimises the same loss offline, on the target's training
    set, and is then fixed. Departures from the authors' code: layer and group norm train too, where there are any, and
    batch norm of vectors; other layers are in evaluation mode, so that dropout does not change the entropy.

    Nothing prevents that all samples end in one class: on long streams TENT may collapse, of which `adapt stream`
    warns.

    Args:
        **kwargs: Arguments of `StreamMethod`. The authors' CIFAR-10-C takes Adam with 0.001, their ImageNet-C SGD with
            0.00025 and batches of 64.

    Raises:
        AdaptError: The network has no normalising layer.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.train_normalisation()

    def step(self, x: Tree) -> Tensor:
        """The logits, before the step down their entropy."""
        logits = self.encode(x).logits
        self.update(entropy(logits))
        return logits
