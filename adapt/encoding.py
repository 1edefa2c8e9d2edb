"""What the network makes of a batch: methods and penalties both speak of it."""

from typing import NamedTuple

from torch import Tensor


class Encoding(NamedTuple):
    """What the network makes of one domain's part of a batch.

    Attributes:
        features: Input of the classifier `(N, num_features)`.
        logits: Output of the classifier `(N, num_classes)`.
    """

    features: Tensor
    logits: Tensor


class Encodings(NamedTuple):
    """The encodings of one batch of each domain."""

    source: Encoding
    target: Encoding
