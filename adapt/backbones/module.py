"""A plain network of PyTorch as a backbone."""

import inspect
from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor, nn

from adapt.backbones.base import Backbone
from adapt.errors import AdaptError


class ModuleBackbone(Backbone):
    """Any `torch.nn.Module` whose output is one vector per sample, `(N, d)`.

    Args:
        module: The network. In a configuration it is the import path of its class, with arguments of its own; an
            `input_shape` of its constructor is filled in, too.
        num_features: Width d of its output; None asks the network, which then sees two inputs of zeros.
        input_shape: Shape of one input, which the command line fills in.

    Raises:
        AdaptError: The network does not take such inputs, or gives no `(N, d)`.
    """

    def __init__(
        self, module: nn.Module, num_features: int | None = None, input_shape: tuple[int, ...] | None = None
    ) -> None:
        super().__init__()
        self.model = module
        if num_features is None:
            if input_shape is None:
                raise AdaptError("ModuleBackbone expects num_features or input_shape, found neither.")
            num_features = _width(module, input_shape)
        self.num_features = num_features

    @classmethod
    def of(cls, network: type[nn.Module], input_shape: Sequence[int]) -> Self:
        """The backbone of a class, which a configuration can name.

        Args:
            network: The class; its constructor is given `input_shape` where it has an argument of that name.
            input_shape: Shape of one input.

        Raises:
            AdaptError: It needs other arguments, or as for the class.
        """
        parameters = inspect.signature(network).parameters
        try:
            module = network(**({"input_shape": tuple(input_shape)} if "input_shape" in parameters else {}))
        except TypeError as error:
            raise AdaptError(
                f"{network.__name__} cannot be built without arguments ({error}): give an object of it."
            ) from error
        built = cls(module, input_shape=tuple(input_shape))
        # Whoever builds it anew fills in the shape, as the command line does.
        built._built_with |= {"module": {"class_path": f"{network.__module__}.{network.__qualname__}"}}
        return built

    def forward(self, x: Tensor) -> Tensor:
        """Features `(N, num_features)` of whatever the network takes."""
        features: Tensor = self.model(x)
        return features


def _width(module: nn.Module, input_shape: Sequence[int]) -> int:
    """The width of a network's output."""
    name, wanted = type(module).__name__, f"(N, {', '.join(map(str, input_shape))})"
    modes = {part: part.training for part in module.modules()}
    first = next((p for p in module.parameters() if not isinstance(p, nn.UninitializedParameter)), torch.empty(0))
    module.eval()
    try:
        with torch.no_grad():
            found = module(torch.zeros(2, *input_shape, device=first.device, dtype=first.dtype))
    # Networks raise different errors on inputs that they cannot process.
    except Exception as error:
        reason = " ".join(str(error).split())[:200].rstrip(".")
        raise AdaptError(
            f"{name} does not take the data's inputs {wanted}: {reason or type(error).__name__}."
        ) from error
    finally:
        for part, mode in modes.items():
            part.training = mode
    if isinstance(found, Tensor) and found.ndim == 2 and len(found) == 2 and found.is_floating_point():
        return found.shape[1]
    shape = f"(N{''.join(f', {n}' for n in found.shape[1:])})" if isinstance(found, Tensor) else type(found).__name__
    raise AdaptError(
        f"Expected features (N, d) from {name} for inputs {wanted}, found {shape}. End it with torch.nn.Flatten(), or "
        "write a Backbone (docs/own-backbone.md)."
    )
