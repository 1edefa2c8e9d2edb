"""A classifier with hidden layers, for papers that use more than one linear layer."""

from torch import Tensor, nn

from adapt.errors import AdaptError


class ClassifierHead(nn.Module):
    """Multilayer perceptron from features to class logits: Linear → ReLU → dropout for each hidden layer, then Linear.

    Args:
        in_features: Width d of the features.
        num_classes: Number of classes K.
        hidden: Width of each hidden layer.
        layers: Number of hidden layers; 0 is a single linear layer.
        dropout: Probability of dropping a hidden unit.

    Raises:
        AdaptError: A width is below 1 or the number of layers below 0.
    """

    def __init__(
        self, in_features: int, num_classes: int, hidden: int = 1024, layers: int = 1, dropout: float = 0.0
    ) -> None:
        super().__init__()
        if min(in_features, num_classes, hidden) < 1 or layers < 0:
            raise AdaptError(
                "ClassifierHead expects in_features, num_classes and hidden >= 1 and layers >= 0, "
                f"found {in_features}, {num_classes}, {hidden} and {layers}."
            )
        modules: list[nn.Module] = []
        width = in_features
        for _ in range(layers):
            modules += [nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(dropout)]
            width = hidden
        self.network = nn.Sequential(*modules, nn.Linear(width, num_classes))

    def forward(self, features: Tensor) -> Tensor:
        """Logits `(N, K)` of features `(N, d)`."""
        logits: Tensor = self.network(features)
        return logits
