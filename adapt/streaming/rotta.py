"""A teacher that learns from a balanced memory, with statistics that move slowly."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from adapt.errors import AdaptError
from adapt.layers.robust_batch_norm import RobustBatchNorm
from adapt.losses import sample_entropy, soft_cross_entropy, timeliness_weights
from adapt.streaming.augmentation import check_viewable, random_view
from adapt.streaming.base import StreamMethod, average_weights, batch_norm_layers
from adapt.streaming.memory import BalancedMemory
from adapt.trees import Tree, collate, leaves, take


class RoTTA(StreamMethod):
    """Learn from a memory in which the classes are balanced, with statistics that move slowly towards it.

    Paper: Yuan et al., Robust Test-Time Adaptation in Dynamic Scenarios, CVPR 2023 (https://arxiv.org/abs/2303.13899).

    Formula: every `every` samples, `L = mean_i w_i (−Σ_k q_ik log p_ik)` over the memory, p the student's softmax on a
    random view, q the teacher's on the sample itself, and `w = e^{−a}/(1 + e^{−a})` of its age a in capacities; over
    scale and shift of batch norm. Then `θ' ← (1 − ν) θ' + ν θ`. Batch norm is `RobustBatchNorm`. The prediction is the
    teacher's in evaluation mode, so that it depends on no other sample of its batch.

    Args:
        memory: Samples that the memory holds.
        every: Samples between updates.
        alpha: α of the statistics.
        nu: ν, how fast the teacher follows.
        views: Show the student random views; `false` shows it the samples, which need not be images then. They have
            to be of one shape: texts of several lengths cannot be kept together.
        flip: Whether views are mirrored: not where a mirrored image is of another class, as with digits.
            `adapt stream` mirrors where the run's training did.
        **kwargs: Arguments of `StreamMethod`.

    Raises:
        AdaptError: An argument is out of range, the network has no batch norm, samples are of several shapes, or views
            are asked of inputs that are no images.
    """

    def __init__(
        self,
        *args: Any,
        memory: int = 64,
        every: int = 64,
        alpha: float = 0.05,
        nu: float = 0.001,
        views: bool = True,
        flip: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        if every < 1 or not 0 < alpha <= 1 or not 0 <= nu <= 1:
            raise AdaptError(
                f"RoTTA expects every of at least 1, alpha and nu in [0, 1], found {every}, {alpha} and {nu}."
            )
        if not batch_norm_layers(self.network):
            raise AdaptError(
                "RoTTA adapts batch norm, found a network without any. Train its run with --model.bottleneck 256, or "
                "with a backbone with batch norm such as SmallCNN."
            )
        replace_batch_norms(self.network, alpha)
        self.teacher = copy.deepcopy(self.network).requires_grad_(False)
        for layer in self.network.modules():
            if isinstance(layer, RobustBatchNorm):
                for parameter in layer.layer.parameters(recurse=False):  # scale and shift
                    parameter.requires_grad_(True)
        self.every, self.nu, self.views, self.flip = every, nu, views, flip
        self.capacity, self.memory, self.seen = memory, BalancedMemory(memory, 2), 0
        self._started = False

    def step(self, x: Tree) -> Tensor:
        """The teacher's logits; the memory takes the samples, and is learnt from when its time has come."""
        if self.views:
            check_viewable(x)
        with torch.no_grad():
            logits = self.encode(x, self.teacher, "running").logits
        if not self._started:
            self.memory, self._started = BalancedMemory(self.capacity, logits.shape[1]), True
        for row, (label, entropy) in enumerate(
            zip(logits.argmax(1).tolist(), sample_entropy(logits).tolist(), strict=True)
        ):
            self.memory.add(take(x, row), label, entropy)
            self.seen += 1
            if self.seen % self.every == 0:
                self._learn()
        return logits

    def _learn(self) -> None:
        samples = [kept.x for kept in self.memory.kept]
        shapes = {tuple(tuple(leaf.shape) for leaf in leaves(x)) for x in samples}
        if len(shapes) > 1:
            raise AdaptError(
                "RoTTA's memory expects samples of one shape, found others, such as texts that are as long as the "
                "longest of their batch. Take a method without a memory, such as TENT or EATA."
            )
        x = collate(samples)
        ages = torch.tensor([kept.age / self.capacity for kept in self.memory.kept])
        view = random_view(x, flip=self.flip) if self.views else x
        with adapting(self.teacher), torch.no_grad():
            teacher = self.encode(x, self.teacher, "running").logits
        with adapting(self.network):
            student = self.encode(view, statistics="running").logits
        weights = timeliness_weights(ages).to(student.device)
        self.update((soft_cross_entropy(student, teacher) * weights).mean())
        average_weights(self.teacher, self.network, 1 - self.nu)

    def own_state(self) -> dict[str, Any]:
        """The memory."""
        return {"memory": self.memory.state(), "classes": self.memory.classes, "seen": self.seen}

    def load_own_state(self, state: dict[str, Any]) -> None:
        """Take it back."""
        self.memory, self.seen = BalancedMemory(self.capacity, state["classes"]), int(state["seen"])
        self._started = self.seen > 0
        self.memory.load(state["memory"])


def replace_batch_norms(network: nn.Module, alpha: float) -> None:
    """Put a `RobustBatchNorm` in the place of every batch norm."""
    for layer in batch_norm_layers(network):
        name = next(name for name, module in network.named_modules() if module is layer)
        network.set_submodule(name, RobustBatchNorm(layer, alpha))


@contextmanager
def adapting(network: nn.Module) -> Iterator[None]:
    """Within it, the robust batch norms of a network move their statistics."""
    layers = [layer for layer in network.modules() if isinstance(layer, RobustBatchNorm)]
    for layer in layers:
        layer.adapting = True
    try:
        yield
    finally:
        for layer in layers:
            layer.adapting = False
