"""A classifier with hidden layers, for papers that use more than one linear layer."""

from torch import Tensor, nn
from torch.nn.functional import normalize

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


class CosineHead(nn.Module):
    """Class logits wᵀf / (‖f‖ T) of features, without a bias: each class's weights w are a prototype of it.

    MME, Saito et al. 2019, https://arxiv.org/abs/1904.06487.

    Args:
        in_features: Width d of the features.
        num_classes: Number of classes K.
        temperature: T, above 0; small values let logits be far apart although the features have length 1.

    Raises:
        AdaptError: The temperature is not positive.
    """

    def __init__(self, in_features: int, num_classes: int, temperature: float = 0.05) -> None:
        super().__init__()
        if temperature <= 0:
            raise AdaptError(f"CosineHead expects a temperature above 0, found {temperature}.")
        self.temperature = temperature
        self.linear = nn.Linear(in_features, num_classes, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Logits `(N, K)` of features `(N, d)`."""
        logits: Tensor = self.linear(normalize(features, dim=1)) / self.temperature
        return logits
