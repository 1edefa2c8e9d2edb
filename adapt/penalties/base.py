"""The contract of a penalty: one weighted loss term, computed from the encodings that the method trains on."""

from collections.abc import Callable, Mapping, Sequence

from torch import Tensor, nn

from adapt.encoding import Encoding
from adapt.errors import AdaptError
from adapt.recorded import Recorded


class Penalty(Recorded):
    """Base of every penalty: write `value`.

    Args:
        weight: Factor on the value.

    Raises:
        AdaptError: The weight is negative.
    """

    weight: float = 1.0  # for a penalty whose own __init__ does not call this one

    def __init__(self, weight: float = 1.0) -> None:
        if weight < 0:
            raise AdaptError(f"{type(self).__name__} expects a weight of at least 0, found {weight}.")
        self.weight = weight

    def value(self, source: Encoding, target: Encoding) -> Tensor:
        """The scalar to minimise.

        Args:
            source: Encoding of N source samples.
            target: Encoding of M target samples.
        """
        raise AdaptError(f"{type(self).__name__} has to define value(source, target), which returns a scalar.")

    def __call__(self, source: Encoding, target: Encoding) -> Tensor:
        """The weighted value.

        Raises:
            AdaptError: The value is no tensor.
        """
        found: object = self.value(source, target)  # of a person's own penalty, whose return nobody has checked
        if not isinstance(found, Tensor):
            said = "None (is the return missing?)" if found is None else f"a {type(found).__name__}"
            raise AdaptError(
                f"Expected value(source, target) of {type(self).__name__} as a scalar tensor, found {said}."
            )
        return self.weight * found

    def state(self) -> dict[str, Tensor]:
        """What a continued run needs of this one, by name; most penalties keep nothing."""
        return {}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take what `state` gave to the checkpoint that is continued; nothing where a training begins."""
        return


class TargetLabelPenalty(Penalty):
    """Base of the penalties on the labelled target samples of `--data.shots`: write `labelled_value`.

    Args:
        weight: Factor on the value.
    """

    def labelled_value(self, labelled: Encoding, y: Tensor) -> Tensor:
        """The scalar to minimise.

        Args:
            labelled: The method's own encoding of L labelled target samples.
            y: Their class indices `(L,)`.
        """
        raise AdaptError(f"{type(self).__name__} has to define labelled_value(labelled, y), which returns a scalar.")


class ClassifierPenalty(Penalty):
    """Base of the penalties that ask the method's classifier again, such as adversarial ones: write `classifier_value`.

    Args:
        weight: Factor on the value.
    """

    def classifier_value(
        self,
        source: Encoding,
        target: Encoding,
        classify: Callable[[Tensor], Tensor],
        progress: float,
        batches: int,
    ) -> Tensor:
        """The scalar that is to become small.

        Args:
            source: Encoding of N source samples.
            target: Encoding of M target samples.
            classify: From features `(N, d)` to logits `(N, K)`, by the method's classifier.
            progress: Share of the training that is done, in [0, 1].
            batches: Training batches before this one.
        """
        raise AdaptError(f"{type(self).__name__} has to define classifier_value, which returns a scalar.")


class WeightPenalty(Penalty):
    """Base of the penalties of the network's own weights: write `weights_value`.

    Args:
        weight: Factor on the value.
        parts: Which parts of the method count: `backbone`, `bottleneck`, `classifier`.

    Raises:
        AdaptError: The weight is negative, or a part is none.
    """

    def __init__(self, weight: float, parts: Sequence[str] = ("backbone", "bottleneck", "classifier")) -> None:
        super().__init__(weight)
        known = ("backbone", "bottleneck", "classifier")
        if not parts or set(parts) - set(known):
            raise AdaptError(f"{type(self).__name__} expects parts out of {', '.join(known)}, found {list(parts)}.")
        self.parts = tuple(parts)

    def weights_value(self, weights: Sequence[nn.Parameter]) -> Tensor:
        """The scalar that is to become small.

        Args:
            weights: The matrices and kernels that train.
        """
        raise AdaptError(f"{type(self).__name__} has to define weights_value(weights), which returns a scalar.")

    def of_network(self, network: nn.Module) -> Tensor:
        """The weighted value of a method's parts.

        Args:
            network: Has the parts as submodules.

        Raises:
            AdaptError: Nothing in them trains.
        """
        return self.weight * self.weights_value(list(self.trained(self.parameters_of(network)).values()))

    def parameters_of(self, network: nn.Module) -> dict[str, nn.Parameter]:
        """All parameters of the chosen parts, by name."""
        return {
            f"{part}.{name}": p for part in self.parts for name, p in network.get_submodule(part).named_parameters()
        }

    def trained(self, parameters: Mapping[str, nn.Parameter]) -> dict[str, nn.Parameter]:
        """Those that train and count.

        Raises:
            AdaptError: None does.
        """
        found = {name: p for name, p in parameters.items() if p.requires_grad and self.counts(p)}
        if not found:
            raise AdaptError(
                f"{type(self).__name__} expects weights that train in {', '.join(self.parts)}, found none: drop it, or "
                "let a part train."
            )
        return found

    def counts(self, parameter: nn.Parameter) -> bool:
        """Whether a parameter is one of the weights: matrices and kernels are, biases and normalisations are not."""
        return parameter.ndim > 1
