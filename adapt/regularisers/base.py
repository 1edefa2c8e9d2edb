"""The contract of a regulariser: one weighted term that compares the fine-tuned network with its start."""

from collections.abc import Iterable
from copy import deepcopy
from typing import Self

from torch import Tensor, nn

from adapt.backbones import Backbone
from adapt.data.batches import Labelled
from adapt.encoding import Encoding
from adapt.errors import AdaptError


class Network(nn.Module):
    """Backbone, bottleneck and classifier as one module.

    Args:
        backbone: Feature extractor.
        bottleneck: Layer between backbone and classifier.
        classifier: Output layer.
    """

    def __init__(self, backbone: Backbone, bottleneck: nn.Module, classifier: nn.Module) -> None:
        super().__init__()
        self.backbone, self.bottleneck, self.classifier = backbone, bottleneck, classifier

    def forward(self, x: Tensor) -> Encoding:
        """Features and logits of inputs `(N, ...)`."""
        features = self.bottleneck(self.backbone(x))
        return Encoding(features, self.classifier(features))


class Regulariser(nn.Module):
    """Base of every regulariser: write `value`; write `attach` and `begin` too if it stores something.

    A method trains with a copy of the object that it is given. The copy stores its state in buffers and parameters, so
    a continued run finds it in its checkpoint.

    Args:
        weight: Factor on the value.

    Raises:
        AdaptError: The weight is negative.
    """

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__()
        if weight < 0:
            raise AdaptError(f"{type(self).__name__} expects a weight of at least 0, found {weight}.")
        self.weight = weight

    def attach(self, network: Network) -> None:
        """Create the buffers and parameters for the stored state; called once, when the method is built.

        Args:
            network: The network that will be tuned.
        """
        return

    def begin(self, network: Network, labelled: Iterable[Labelled], held_out: Iterable[Labelled]) -> None:
        """Store the starting point; called once, before the first labelled target batch.

        Args:
            network: The network before fine-tuning.
            labelled: One pass over the labelled target samples, in order and without augmentation.
            held_out: One pass over the source's validation samples.
        """
        return

    def value(self, network: Network, batch: Labelled, encoding: Encoding) -> Tensor:
        """The scalar to minimise.

        Args:
            network: The network during fine-tuning.
            batch: N labelled target samples.
            encoding: Their features and logits.
        """
        raise AdaptError(
            f"{type(self).__name__} has to define value(network, batch, encoding), which returns a scalar."
        )

    def forward(self, network: Network, batch: Labelled, encoding: Encoding) -> Tensor:
        """The weighted value."""
        return self.weight * self.value(network, batch, encoding)


class FromStart(Regulariser):
    """Base of the regularisers that keep a frozen copy of the network before fine-tuning, `start`."""

    start: Network

    def attach(self, network: Network) -> None:
        """Copy the network."""
        self.start = deepcopy(network).requires_grad_(False).eval()

    def begin(self, network: Network, labelled: Iterable[Labelled], held_out: Iterable[Labelled]) -> None:
        """Copy the network's current weights."""
        self.start.load_state_dict(network.state_dict())

    def train(self, mode: bool = True) -> Self:
        """Set the mode of all but the copy, which stays in evaluation mode."""
        super().train(mode)
        if "start" in self._modules:
            self.start.eval()
        return self
