"""Multiple feature spaces adaptation network."""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from adapt.data.batches import Pair
from adapt.errors import AdaptError
from adapt.losses import mmd
from adapt.methods.several_sources import SeveralSources
from adapt.schedules import reversal_ramp


class MFSAN(SeveralSources):
    """A feature space and a classifier for each source, and classifiers that agree on the target.

    Paper: Zhu et al., Aligning Domain-Specific Distribution and Classifier for Cross-Domain Classification from
    Multiple Sources, AAAI 2019 (https://arxiv.org/abs/2201.01003).

    Formula: `L = 1/S Σ_i [CE(f_i(x_i), y_i) + λ(p) · w · MMD(h_i(x_i), h_i(x_t))] + λ(p) · v · D`, with features h_i
    `(N, width)` of source i's own space, its classifier f_i, and D the mean over pairs of |softmax f_i(x_t) −
    softmax f_j(x_t)|. λ(p) = 2 / (1 + e^{−10p}) − 1. Predictions are the mean of the classifiers' probabilities, as
    log-probabilities `(N, K)`.

    As in the authors' code: both weights grow with λ(p), w = v = 1, D is the mean over samples and classes, the
    classifiers' softmaxes are averaged. Departures: each space is a Linear–ReLU layer on the shared features, theirs a
    block of convolutions with batch norm; a step takes all sources at once, and not one after the other; both domains
    are encoded in one pass; the MMD is `adapt.losses.mmd` with its defaults.

    Args:
        weight: Weight w of the MMD.
        agreement: Weight v of the classifiers' disagreement.
        width: Width of each source's space.
        **kwargs: Arguments of `SeveralSources`.

    Raises:
        AdaptError: The width is below 1, or there are not two sources or more.
    """

    takes_anchors: ClassVar[bool] = False

    def __init__(self, weight: float = 1.0, agreement: float = 1.0, width: int = 256, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if width < 1:
            raise AdaptError(f"MFSAN expects a width of at least 1, found {width}.")
        self.weight, self.agreement = weight, agreement
        self.spaces = nn.ModuleList(
            nn.Sequential(nn.Linear(self.num_features, width), nn.ReLU()) for _ in range(self.num_sources)
        )
        self.heads = nn.ModuleList(self.problem.output_layer(width) for _ in range(self.num_sources))
        self.classifier = nn.Identity()  # the spaces' classifiers stand in its place

    def losses(self, batch: Pair) -> dict[str, Tensor]:
        """Each source's cross-entropy and MMD, and the disagreement on the target."""
        source, target = self.encode(batch)
        each, distances = [], []
        for k, rows in self.sources_of(batch.source):
            if len(rows) < 2:
                continue  # no MMD of one sample
            own = self.spaces[k](source.features[rows])
            each.append(self.supervised_loss(self.heads[k](own), batch.source.y[rows]))
            distances.append(mmd(own, self.spaces[k](target.features)))
        p = self.each_softmax(target.features)
        pairs = [(p[i] - p[j]).abs().mean() for i in range(len(p)) for j in range(i)]
        growth = reversal_ramp("ganin", self.progress, self.batches_seen, 10.0)
        return {
            "source": torch.stack(each).mean(),
            "mmd": growth * self.weight * torch.stack(distances).mean(),
            "disagreement": growth * self.agreement * torch.stack(pairs).mean(),
        }

    def each_softmax(self, features: Tensor) -> Tensor:
        """Each classifier's probabilities of shared features `(N, d)`: `(S, N, K)`."""
        outputs = [head(space(features)) for space, head in zip(self.spaces, self.heads, strict=True)]
        return torch.stack(outputs).softmax(2)

    def classify(self, features: Tensor) -> Tensor:
        """Log of the mean of the classifiers' probabilities `(N, K)`."""
        return self.each_softmax(features).mean(0).clamp(min=1e-12).log()
