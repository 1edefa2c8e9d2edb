"""The network that tells the domains apart."""

from torch import Tensor, nn

from adapt.errors import AdaptError


class DomainDiscriminator(nn.Module):
    """Multilayer perceptron with one logit per sample; source is the positive class.

    DANN, Ganin et al. 2016, https://arxiv.org/abs/1505.07818. The defaults are two hidden layers of 1024 ReLU units.

    Args:
        in_features: Width d of the features.
        hidden: Width of each hidden layer.
        layers: Number of hidden layers; 0 is a logistic regression.
        batch_norm: Normalise before each ReLU. In a joint pass the statistics then mix both domains.
        dropout: Probability of dropping a hidden unit.
        negative_slope: Slope of the hidden units below zero; 0 is ReLU. If the features learn to switch all ReLUs of a
            critic off, it gets no gradient and cannot recover.

    Raises:
        AdaptError: A width is below 1 or the number of layers below 0.
    """

    def __init__(
        self,
        in_features: int,
        hidden: int = 1024,
        layers: int = 2,
        batch_norm: bool = False,
        dropout: float = 0.0,
        negative_slope: float = 0.0,
    ) -> None:
        super().__init__()
        if in_features < 1 or hidden < 1 or layers < 0:
            raise AdaptError(
                "DomainDiscriminator expects in_features >= 1, hidden >= 1 and layers >= 0, "
                f"found {in_features}, {hidden} and {layers}."
            )
        modules: list[nn.Module] = []
        width = in_features
        for _ in range(layers):
            modules.append(nn.Linear(width, hidden))
            if batch_norm:
                modules.append(nn.BatchNorm1d(hidden))
            modules.append(nn.LeakyReLU(negative_slope) if negative_slope else nn.ReLU())
            if dropout > 0:
                modules.append(nn.Dropout(dropout))
            width = hidden
        self.network = nn.Sequential(*modules, nn.Linear(width, 1))

    def forward(self, features: Tensor) -> Tensor:
        """Logits `(N,)` of features `(N, d)`."""
        logits: Tensor = self.network(features)
        return logits.squeeze(1)
