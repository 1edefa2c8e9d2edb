"""Corrected predictions of a network that does not change."""

from typing import Any, Literal

import torch
from torch import Tensor

from adapt.losses import affinity, laplacian_assignment
from adapt.streaming.base import StreamMethod
from adapt.trees import Tree


class LAME(StreamMethod):
    """Let similar samples of a batch agree on their classes; the network stays as it was.

    Paper: Boudiaf et al., Parameter-free Online Test-time Adaptation, CVPR 2022 (https://arxiv.org/abs/2201.05718).

    Formula: `min_y Σ_i KL(y_i ‖ p_i) − Σ_ij w_ij y_iᵀ y_j` over assignments y of the batch, w the affinity of the
    features, see `adapt.losses.laplacian_assignment`. Batch norm has the source's statistics.

    It helps where neighbouring samples are of the same class, and may hurt where batches are mixed: the authors' claim
    is for correlated streams.

    Args:
        kind: Affinity, see `adapt.losses.affinity`; the authors' default is `rbf`.
        neighbours: k of it; 5 as in the authors' best settings.
        **kwargs: Arguments of `StreamMethod`; there is nothing to train, so the learning rate has no effect.
    """

    def __init__(
        self, *args: Any, kind: Literal["rbf", "knn", "linear"] = "rbf", neighbours: int = 5, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.kind, self.neighbours = kind, neighbours

    @torch.no_grad()
    def step(self, x: Tree) -> Tensor:
        """The logarithm of the assignments."""
        features, logits = self.encode(x, statistics="running")
        found = laplacian_assignment(logits, affinity(features.flatten(1), self.kind, self.neighbours))
        return found.clamp_min(torch.finfo(found.dtype).tiny).log()
