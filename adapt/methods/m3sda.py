"""Moment matching for multi-source domain adaptation."""

from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from adapt.data.batches import Pair
from adapt.losses import moment_distance
from adapt.methods.several_sources import SeveralSources


class M3SDA(SeveralSources):
    """Moments of every source come near to the target's and to each other, with a classifier for each source.

    Paper: Peng et al., Moment Matching for Multi-Source Domain Adaptation, ICCV 2019 (https://arxiv.org/abs/1812.01754).

    Formula: `L = 1/S Σ_i CE(f_i(x_i), y_i) + w · MD(g(x_1), ..., g(x_S), g(x_t))`, with the distance of the first two
    moments, see `adapt.losses.moment_distance`. Features g `(N, d)`. Predictions are the mean of the S classifiers'
    probabilities, in proportion to how right each is on its own source, as log-probabilities `(N, K)`.

    Each classifier's accuracy is a running mean over the training batches. The authors' code differs: features have
    their mean taken away before the higher moments, of which there are five; all distances are summed and divided by 6;
    w = 0.0005; each source has a pair of classifiers, with MCD's steps. Here w is an argument, because the features'
    scale is the backbone's, and there is one classifier per source (M3SDA, not M3SDA-β).

    Args:
        weight: Weight w of the moment distance.
        moments: Highest moment.
        **kwargs: Arguments of `SeveralSources`.

    Raises:
        AdaptError: There are not two sources or more.
    """

    accuracies: Tensor

    takes_anchors: ClassVar[bool] = False

    def __init__(self, weight: float = 0.1, moments: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.weight, self.moments = weight, moments
        # The base's classifier is the first source's, so that `init_from` gives it a start.
        self.further = nn.ModuleList(self.new_classifier() for _ in range(self.num_sources - 1))
        self.register_buffer("accuracies", torch.ones(self.num_sources))

    def heads(self) -> Iterator[nn.Module]:
        """The classifiers, in the order of the sources."""
        yield self.classifier
        yield from self.further

    def losses(self, batch: Pair) -> dict[str, Tensor]:
        """Each source's cross-entropy, and the distance of the moments."""
        source, target = self.encode(batch)
        there = self.sources_of(batch.source)
        heads = list(self.heads())
        outputs = [heads[k](source.features[rows]) for k, rows in there]
        each = [self.supervised_loss(z, batch.source.y[rows]) for z, (_, rows) in zip(outputs, there, strict=True)]
        with torch.no_grad():
            for z, (k, rows) in zip(outputs, there, strict=True):
                right = (z.argmax(1) == batch.source.y[rows]).float().mean()
                self.accuracies[k].mul_(0.99).add_(right, alpha=0.01)
        parts = [source.features[rows] for _, rows in there]
        distance = moment_distance(parts, target.features, moments=self.moments)
        return {"source": torch.stack(each).mean(), "moments": self.weight * distance}

    def classify(self, features: Tensor) -> Tensor:
        """Log of the weighted mean of the classifiers' probabilities `(N, K)`."""
        log_p = torch.stack([head(features).log_softmax(1) for head in self.heads()])
        weights = (self.accuracies / self.accuracies.sum()).log().to(log_p)
        return (log_p + weights[:, None, None]).logsumexp(0)
