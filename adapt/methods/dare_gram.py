"""Alignment of inverse Gram matrices."""

from typing import Any, ClassVar

from torch import Tensor

from adapt.data.batches import Pair
from adapt.losses import dare_gram
from adapt.methods.base import Method


class DAREGRAM(Method):
    """For regression: the inverse Gram matrices of both domains alike, of which a least-squares regressor is made.

    Paper: Nejjar, Wang and Fink, DARE-GRAM: Unsupervised Domain Adaptation Regression by Aligning Inverse Gram
    Matrices, CVPR 2023 (https://arxiv.org/abs/2303.13325).

    Formula: `L = L_sup(f(x_s), y_s) + a · (1/q) Σ_j (1 − cos(A⁺_j, B⁺_j)) + b · ‖λ − μ‖ / k`, with A = ZᵀZ the Gram
    matrix of the source's features and a column of ones, B the target's, A⁺_j a column of the pseudo-inverse of rank k
    and λ, μ the k largest eigenvalues, see `adapt.losses.dare_gram`. Features `(N, d)` and `(M, d)`, q = d + 1. L_sup
    is the problem's supervised loss.

    As in the authors' code: a = 0.05, b = 0.001, and k by a share of 0.9 of the eigenvalues' sum. The scale's term
    grows with the batch (theirs has 36 samples) and with the features' squares. Departures: the output is linear,
    theirs ends in a sigmoid for labels in [0, 1]; both domains are encoded in one pass (`joint_forward: false` encodes
    them apart, as they do).

    Published: not on a task here (dSprites, MPI3D and Biwi in the paper).

    Args:
        angle_weight: Weight a of the angles.
        scale_weight: Weight b of the scales.
        share: Share of the eigenvalues' sum by which k is chosen.
        **kwargs: Arguments of `Method`.
    """

    family: ClassVar[str] = "matching"

    def __init__(
        self, angle_weight: float = 0.05, scale_weight: float = 0.001, share: float = 0.9, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.angle_weight, self.scale_weight, self.share = angle_weight, scale_weight, share

    def losses(self, batch: Pair) -> dict[str, Tensor]:
        """Supervised loss of the source, and the distance of the inverse Gram matrices."""
        source, target = self.encode(batch)
        angle, scale = dare_gram(source.features, target.features, share=self.share)
        return {
            "source": self.supervised_loss(source.logits, batch.source.y),
            "angle": self.angle_weight * angle,
            "scale": self.scale_weight * scale,
        }
