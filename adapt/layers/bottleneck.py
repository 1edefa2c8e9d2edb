"""The narrow layer between a backbone and the classifier."""

from torch import nn


class Bottleneck(nn.Sequential):
    """Linear → batch norm → ReLU, from `(N, in_features)` to `(N, out_features)`.

    The usual layer between a pretrained backbone and the classifier; methods align its output. It learns at the
    classifier's rate. In training mode batch norm needs at least 2 samples.

    Args:
        in_features: Width of the backbone's features.
        out_features: Width of the aligned features.
    """

    def __init__(self, in_features: int, out_features: int = 256) -> None:
        super().__init__(nn.Linear(in_features, out_features), nn.BatchNorm1d(out_features), nn.ReLU())
        self.out_features = out_features
