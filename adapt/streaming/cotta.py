"""An averaged teacher over random views, and weights that are partly put back."""

import copy
from typing import Any

import torch
from torch import Tensor, nn

from adapt.errors import AdaptError
from adapt.losses import soft_cross_entropy, symmetric_cross_entropy
from adapt.streaming.augmentation import random_view
from adapt.streaming.base import StreamMethod, average_weights
from adapt.trees import Tree


class CoTTA(StreamMethod):
    """Follow a teacher that is the average of past weights and of random views; put some weights back at random.

    Paper: Wang et al., Continual Test-Time Domain Adaptation, CVPR 2022 (https://arxiv.org/abs/2203.13591).

    Formula: `L = −(1/N) Σ_i Σ_k q_ik log p_ik`, p the student's softmax and q the teacher's: of the mean logits of
    `views` random views where the source's mean confidence is below `confidence`, else of the inputs themselves. All
    weights train. After each step the teacher moves, `θ' ← α θ' + (1 − α) θ`, and each of the student's weights
    becomes the source's again with probability `restore`. The teacher's is the prediction.

    As in the authors' code batch norm has the batch's statistics in all three networks. Departures: views are made only
    where they are used; the views' pixels are rounded to bytes. The defaults are theirs for CIFAR-10-C; ImageNet-C has
    `confidence=0.1, restore=0.001, symmetric=true, optimizer=sgd, lr=0.01`.

    Args:
        views: Random views that the teacher averages over; 0 for none.
        confidence: Below this mean confidence of the source's network the views are used.
        restore: Probability.
        teacher_momentum: α.
        symmetric: Mean of the cross-entropies in both directions, as their ImageNet code has it.
        flip: Whether views are mirrored: not where a mirrored image is of another class, as with digits.
            `adapt stream` mirrors where the run's training did.
        **kwargs: Arguments of `StreamMethod`.

    Raises:
        AdaptError: An argument is out of range, or views are asked of inputs that are no images.
    """

    def __init__(
        self,
        *args: Any,
        views: int = 32,
        confidence: float = 0.92,
        restore: float = 0.01,
        teacher_momentum: float = 0.999,
        symmetric: bool = False,
        flip: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        shares = {"confidence": confidence, "restore": restore, "teacher_momentum": teacher_momentum}
        odd = {name: value for name, value in shares.items() if not 0 <= value <= 1}
        if odd or views < 0:
            name, value = next(iter((odd | {"views": views}).items()))
            raise AdaptError(f"CoTTA expects shares in [0, 1] and views of at least 0, found {name} {value}.")
        self.views, self.confidence, self.restore = views, confidence, restore
        self.teacher_momentum, self.symmetric, self.flip = teacher_momentum, symmetric, flip
        self.anchor = copy.deepcopy(self.network)
        self.teacher = copy.deepcopy(self.network)
        self.network.requires_grad_(True)

    def step(self, x: Tree) -> Tensor:
        """The teacher's logits, before the student's step and its own."""
        student = self.encode(x).logits
        with torch.no_grad():
            teacher = self._teach(x)
        loss = symmetric_cross_entropy if self.symmetric else soft_cross_entropy
        self.update(loss(student, teacher).mean())
        average_weights(self.teacher, self.network, self.teacher_momentum)
        self._put_back(self.network, self.anchor)
        return teacher

    def _teach(self, x: Tree) -> Tensor:
        sure = self.encode(x, self.anchor).logits.softmax(1).amax(1).mean()
        if not self.views or sure >= self.confidence:
            return self.encode(x, self.teacher).logits
        found = [self.encode(random_view(x, flip=self.flip), self.teacher).logits for _ in range(self.views)]
        return torch.stack(found).mean(0)

    @torch.no_grad()
    def _put_back(self, network: nn.Module, anchor: nn.Module) -> None:
        for own, its in zip(network.parameters(), anchor.parameters(), strict=True):
            # On the CPU, so that every device draws the same.
            drawn = (torch.rand(own.shape) < self.restore).to(own.device)
            own.copy_(torch.where(drawn, its, own))
