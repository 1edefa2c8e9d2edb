"""Alignment of time and frequency features."""

import inspect
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from adapt.backbones import Backbone
from adapt.data.batches import Pair
from adapt.encoding import Encoding
from adapt.errors import AdaptError
from adapt.layers import CosineHead, SeriesDecoder, SpectralFilter
from adapt.losses import sinkhorn
from adapt.methods.base import Method
from adapt.problems import Classification, Problem


class Raincoat(Method):
    """Align features of a series over time and of its frequencies by optimal transport, while both rebuild the series.

    Paper: He et al., Domain Adaptation for Time Series Under Feature and Label Shifts, ICML 2023
    (https://arxiv.org/abs/2302.03133).

    Formula: `L = CE(f(x_s), y_s) + w · Σ_ij γ_ij ‖g_i − g'_j‖² + v · (mean |x̂_s − x_s| + mean |x̂_t − x_t|)`. g `(N, d)`
    are unit vectors: the amplitudes of the `modes` lowest frequencies after a learned complex filter that mixes the
    channels, beside the backbone's features over time. γ is the entropic plan between the batches, and x̂ the series
    rebuilt from the filtered spectrum and the time features. Inputs `(N, channels, length)`.

    Of the methods for series, Raincoat is here and not CLUDA (Özyurt et al., ICLR 2023): CLUDA is DANN with contrastive
    terms on augmented views, of which `DANN`, `CoDATS` and the augmenting methods here are the parts; features of
    frequencies are in no other method here, and Raincoat needs no augmentation, which has to suit the sensor.

    As in the authors' code (algorithms/RAINCOAT.py, models/models.py): the cosine of the inputs before the transform,
    amplitudes without phases, a linear classifier without bias at temperature 0.1, a transport cost that is not
    debiased. Departures: the plan is constant for the gradient and found in a fixed number of rounds, with ε in units
    of the mean cost, where theirs is differentiated through and stops early; rebuilding counts per value, with the
    weight that their sum over a batch of 32 windows of 9 × 128 amounts to; one linear layer in the place of a
    transposed convolution of one step. Left out: the second stage ("correct"), which trains on without labels and, by
    their project's page, serves to find classes that only the target has. Their code keeps the epoch with the best
    macro-F1 on the target's test set (trainers/trainer.py), so figures from it are upper bounds.

    Published, UCI HAR, accuracy of five pairs (UDA-4-TSC, chosen by source risk / IWCV / target risk): 78.5 / 83.5 /
    85.7 against 56.5 / 61.7 / 79.1 without adaptation.

    Args:
        backbone: A network for series that is built with its `input_shape`, such as `CNN1D`.
        modes: Number of frequencies, from the lowest; at most half the length and one.
        weight: Weight w of the alignment.
        reconstruction: Weight v of rebuilding the series.
        entropy: ε of the plan, as a share of the mean cost.
        temperature: Divides the outputs: of unit vectors they are small.
        debiased: Take the Sinkhorn divergence in the place of the cost.
        cosine: Take the cosine of the inputs before the transform.
        **kwargs: Arguments of `Method` except `bottleneck` and `anchors`.

    Raises:
        AdaptError: The backbone is not for series, there is a bottleneck, or an argument is out of range.
    """

    family: ClassVar[str] = "matching"
    needs: ClassVar[str] = "series (channels, length)"
    takes_anchors: ClassVar[bool] = False
    problems: ClassVar[tuple[type[Problem], ...]] = (Classification,)

    def __init__(
        self,
        backbone: Backbone,
        modes: int = 64,
        weight: float = 1.0,
        reconstruction: float = 3.7,
        entropy: float = 0.001,
        temperature: float = 0.1,
        debiased: bool = False,
        cosine: bool = True,
        **kwargs: Any,
    ) -> None:
        channels, length = _shape(backbone)
        if modes < 1 or min(weight, reconstruction) < 0 or min(entropy, temperature) <= 0:
            raise AdaptError(
                "Raincoat expects at least 1 mode, weights of at least 0, entropy and temperature above 0, found "
                f"{modes}, {weight} and {reconstruction}, {entropy} and {temperature}."
            )
        if kwargs.get("bottleneck"):
            raise AdaptError(
                f"Raincoat aligns and rebuilds from the features themselves: leave out --model.bottleneck, found "
                f"{kwargs['bottleneck']}."
            )
        network = TimeAndFrequency(backbone, channels, min(modes, length // 2 + 1), cosine)
        self.temperature, self._modes = temperature, network.modes
        super().__init__(backbone=network, **kwargs)
        self.decoder = SeriesDecoder(backbone.num_features, (channels, length))
        self.weight, self.reconstruction, self.entropy, self.debiased = weight, reconstruction, entropy, debiased

    def losses(self, batch: Pair) -> dict[str, Tensor]:
        """Source cross-entropy, the transport cost between the domains, and the error of the rebuilt series."""
        source, target = self.encode(batch)
        cost = sinkhorn(source.features, target.features, entropy=self.entropy, debiased=self.debiased)
        terms = {"source": self.supervised_loss(source.logits, batch.source.y), "transport": self.weight * cost}
        if self.reconstruction:
            errors = [self._errors(side, x) for side, x in ((source, batch.source.x), (target, batch.target.x))]
            means = [e.features.mean() for e in self.of_all_processes(*errors)]
            terms["reconstruction"] = self.reconstruction * (means[0] + means[1])
        return terms

    def new_classifier(self) -> nn.Module:
        """A linear layer without bias, sharpened, for unit vectors."""
        return CosineHead(self.num_features, self.num_outputs, self.temperature)

    def _errors(self, encoding: Encoding, x: Any) -> Encoding:
        """The mean error of each of this process's series `(N, 1)`, as what processes exchange."""
        time = self.own_share(encoding.features)[:, self._modes :]
        assert isinstance(self.backbone, TimeAndFrequency)  # `__init__` made it
        rebuilt = self.decoder(time, self.backbone.spectral.spectrum(x))
        error = (rebuilt - x).abs().mean((1, 2))[:, None]
        return Encoding(error, error)


class TimeAndFrequency(Backbone):
    """A backbone's features beside a series' amplitudes, as unit vectors.

    Args:
        backbone: The network over time.
        channels: Channels of the series.
        modes: Number of frequencies.
        cosine: See `Raincoat`.
    """

    def __init__(self, backbone: Backbone, channels: int, modes: int, cosine: bool) -> None:
        super().__init__()
        self.spectral = SpectralFilter(channels, modes, cosine)
        self.over_time = backbone
        self.modes, self.num_features = modes, modes + backbone.num_features

    def forward(self, x: Tensor) -> Tensor:
        """Features `(N, modes + d)` of length 1."""
        time = self.over_time(x)
        return normalize(torch.cat([self.spectral(x).to(time.dtype), time], 1))

    def layer_groups(self) -> list[tuple[float, list[nn.Parameter]]]:
        """Those of the network over time, and the filter with its rate."""
        return [*self.over_time.layer_groups(), (1.0, list(self.spectral.parameters()))]


def _shape(backbone: Backbone) -> tuple[int, int]:
    parameters = inspect.signature(type(backbone)).parameters
    default = parameters["input_shape"].default if "input_shape" in parameters else None
    shape = backbone._built_with.get("input_shape", default)
    if not isinstance(shape, list | tuple) or len(shape) != 2:
        found = "none" if not isinstance(shape, list | tuple) else tuple(shape)
        raise AdaptError(
            f"Raincoat expects a backbone that is built for series, with input_shape (channels, length), found "
            f"{type(backbone).__name__} with {found}: take CNN1D, ResNet1D, InceptionTime or TCN, and data of series."
        )
    return int(shape[0]), int(shape[1])
