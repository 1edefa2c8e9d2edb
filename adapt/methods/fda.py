"""Fourier domain adaptation."""

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor

from adapt.data.batches import Pair
from adapt.errors import AdaptError
from adapt.layers import Pixels, swap_amplitude
from adapt.losses import charbonnier_entropy
from adapt.methods.base import Method
from adapt.problems import Classification, Problem


class FDA(Method):
    """Give source images the low-frequency amplitudes of target images: their light and colour, not their content.

    Paper: Yang and Soatto, FDA: Fourier Domain Adaptation for Semantic Segmentation, CVPR 2020
    (https://arxiv.org/abs/2004.05498).

    Formula: `L = CE(f(x_s→t), y_s) + w · (1/M) Σ_j (H(f(x_t^j))² + 0.001²)^η`, with
    `x_s→t = F⁻¹[M_β ∘ |F(x_t)| e^{i∠F(x_s)} + (1 − M_β) ∘ F(x_s)]`, F the Fourier transform of each channel, M_β the
    frequencies up to β·H and β·W, and H the entropy of the prediction in nats. Images `(N, C, H, W)` and
    `(M, C, H, W)`; each source image takes the amplitudes of one target image of its batch.

    As in the paper: w = 0.005 and η = 2, from the first step. With `entropy_weight: 0` the method only restyles images,
    and it encodes the target only if a penalty needs it. The paper's β is 0.01, 0.05 or 0.09, on far larger images:
    below 1/H it swaps only the mean colour. Departures: images are classified, not segmented; restyled images are
    clipped to [0, 1]; the two domains are encoded in one pass (TLlib). Left out: the mean of three networks with
    different β, and the pseudo-labels of a second round.

    Amplitudes are swapped on pixels in [0, 1], as the authors insist, so give the datamodule's `mean` and `std`. The
    lowest amplitude is the mean. A photograph that takes the mean of white paper is clipped at white and loses its
    content: on sketches this is worse than not adapting (benchmarks/pixels).

    Published: not on a task here.

    Args:
        beta: Share β of height and width, in [0, 1].
        entropy_weight: Weight w of the target's entropy.
        eta: Exponent η.
        mean: Mean per channel that the datamodule subtracted (`ImageFolders`: ImageNet's, [0.485, 0.456, 0.406];
            `Digits`: [0.5]); None for images in [0, 1].
        std: Standard deviation per channel that the datamodule divided by (ImageNet's [0.229, 0.224, 0.225]; `Digits`:
            [0.5]).
        **kwargs: Arguments of `Method`.

    Raises:
        AdaptError: A value is out of range; while training, the inputs are not images in the range given by mean and
            std.
    """

    family: ClassVar[str] = "pixel"
    problems: ClassVar[tuple[type[Problem], ...]] = (Classification,)
    needs: ClassVar[str] = "images"

    def __init__(
        self,
        beta: float = 0.05,
        entropy_weight: float = 0.005,
        eta: float = 2.0,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not 0 <= beta <= 1 or entropy_weight < 0 or eta <= 0:
            raise AdaptError(
                "FDA expects beta in [0, 1], entropy_weight of at least 0 and eta above 0, "
                f"found {beta}, {entropy_weight} and {eta}."
            )
        self.beta, self.entropy_weight, self.eta = beta, entropy_weight, eta
        self.pixels = Pixels("FDA", mean, std, self.check_later)

    def losses(self, batch: Pair) -> dict[str, Tensor]:
        """Cross-entropy on the restyled source, and the target's entropy under a robust penalty."""
        restyled = batch._replace(source=batch.source._replace(x=self.restyled(batch)))
        if not self.entropy_weight and not self.penalties:
            return {"source": self.supervised_loss(self(restyled.source.x).logits, batch.source.y)}
        source, target = self.encode(restyled)
        terms = {"source": self.supervised_loss(source.logits, batch.source.y)}
        if self.entropy_weight:
            terms["entropy"] = self.entropy_weight * charbonnier_entropy(target.logits, eta=self.eta)
        return terms

    def restyled(self, batch: Pair) -> Tensor:
        """The restyled source images of a batch, `(N, C, H, W)`."""
        source, target = self.pixels.of(batch.source.x), self.pixels.of(batch.target.x)
        return self.pixels.back(swap_amplitude(source, target, self.beta))
