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


class DomainEncoding(NamedTuple):
    """What the network makes of a whole domain's training inputs, in their order.

    Attributes:
        features: Inputs of the classifier `(N, num_features)`.
        logits: Outputs of the classifier `(N, num_classes)`.
        y: Class indices `(N,)` of the source; None for the target, whose labels nobody sees.
    """

    features: Tensor
    logits: Tensor
    y: Tensor | None


class Encodings(NamedTuple):
    """The encodings of one batch of each domain."""

    source: Encoding
    target: Encoding
