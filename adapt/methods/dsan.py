"""Deep subdomain adaptation."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from torch import Tensor

from adapt.data.batches import Pair
from adapt.losses import lmmd
from adapt.methods.base import Method
from adapt.problems import Classification, Problem
from adapt.schedules import ganin_ramp


class DSAN(Method):
    """Class by class, the source samples of a label matched to the target samples predicted as it.

    Paper: Zhu et al., Deep Subdomain Adaptation Network for Image Classification, TNNLS 2020
    (https://arxiv.org/abs/2106.09388).

    Formula: `L = CE(f(x_s), y_s) + w · r(p) · LMMD(g(x_s), g(x_t); y_s, softmax f(x_t))`, where LMMD, see
    `adapt.losses.lmmd`, is the mean over classes of the squared MMD between source samples weighted by their label
    and target samples weighted by their predicted probability, and r(p) = 2 / (1 + e^{−10p}) − 1 over the training's
    progress p. Features g `(N, d)` and `(M, d)`, labels `(N,)`, target logits `(M, K)`.

    Here it stands for transfer of relations: what is carried from source to target is not where samples lie but which
    of them belong together, the relation of class membership, which the weights of every pair of samples say. Of
    the methods that do so it has the plainest objective, a single term without adversary or memory, and is widely
    compared with.

    As in the authors' code: w = 0.5, a sum of five Gaussians around the mean squared distance, weights without
    gradient, and only the classes that both the source labels and the target predictions of a batch name. Departures:
    both domains are encoded in one pass (`joint_forward: false` encodes them apart, as they do), and p counts batches,
    not epochs. Batches should hold several samples of each class. It trusts the target predictions, and makes wrong
    ones firmer: without the ramp those of the first batches, before anything is learned, decide which classes are
    matched, and source-only is far better (tests/methods/test_dsan.py); a start from a source run mends that too.

    Published, Office-31 mean, ResNet-50: 88.4 % (A→W 93.6, D→A 73.5; authors' repository).

    Args:
        weight: Weight w of the discrepancy.
        ramp: Grow the weight over training, from 0; False only where the start is trained.
        kernel: Bandwidths: `mean` distance of the pooled batch, `tllib`'s scaling of it, its `median`, or `fixed`.
        scales: Factors on the bandwidth, one Gaussian each; None for the kernel's own.
        bandwidths: The bandwidths b of exp(−d²/b) for `kernel: fixed`.
        **kwargs: Arguments of `Method`.
    """

    family: ClassVar[str] = "relation"
    problems: ClassVar[tuple[type[Problem], ...]] = (Classification,)

    def __init__(
        self,
        weight: float = 0.5,
        ramp: bool = True,
        kernel: Literal["mean", "tllib", "median", "fixed"] = "mean",
        scales: Sequence[float] | None = None,
        bandwidths: Sequence[float] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.weight, self.ramp = weight, ramp
        self.kernel, self.scales, self.bandwidths = kernel, scales, bandwidths

    def losses(self, batch: Pair) -> dict[str, Tensor]:
        """Source cross-entropy and the discrepancy within classes."""
        source, target = self.encode(batch)
        # It comes first, for it refuses labels that are no classes.
        supervised = self.supervised_loss(source.logits, batch.source.y)
        discrepancy = lmmd(
            source.features,
            target.features,
            batch.source.y,
            target.logits,
            kernel=self.kernel,
            scales=self.scales,
            bandwidths=self.bandwidths,
            checked=True,
        )
        weight = self.weight * (ganin_ramp(self.progress) if self.ramp else 1.0)
        return {"source": supervised, "lmmd": weight * discrepancy}
