"""Feature maps of an image in several layers of a trained network."""

from collections.abc import Sequence
from typing import Literal, get_args
from urllib.error import URLError

import torch
import torchvision
from torch import Tensor, nn

from adapt.backbones.weights import load_checkpoint
from adapt.errors import AdaptError
from adapt.paths import data_root

Network = Literal["squeezenet1_1", "vgg19"]
# For VGG-19 the paper's layers, after their ReLUs: conv1_1 to conv5_1, and conv4_2 for the content.
STYLE_LAYERS: dict[str, tuple[int, ...]] = {"squeezenet1_1": (1, 4, 6, 7), "vgg19": (1, 6, 11, 20, 29)}
CONTENT_LAYERS: dict[str, int] = {"squeezenet1_1": 4, "vgg19": 22}
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


class PerceptualFeatures(nn.Module):
    """Feature maps of chosen layers of a frozen torchvision network; later layers are dropped.

    Gatys et al. 2016, https://arxiv.org/abs/1508.06576, use VGG-19; SqueezeNet 1.1 replaces it with a 20th of the work.
    Maximum pooling is kept; the paper prefers average pooling. Without weights the network is random, but always the
    same. Its Gram matrices still tell textures apart, and it needs no file.

    Args:
        network: torchvision's name.
        layers: Positions in the network's `features`, in ascending order.
        weights: Name of torchvision weights such as `DEFAULT`; torchvision downloads and caches them.
        checkpoint: Local file with a state dict in torchvision's keys, instead of `weights`.

    Raises:
        AdaptError: Unknown network or layer, both sources of weights, or weights that cannot be loaded.
    """

    def __init__(
        self,
        network: Network = "squeezenet1_1",
        layers: Sequence[int] = STYLE_LAYERS["squeezenet1_1"],
        weights: str | None = None,
        checkpoint: str | None = None,
    ) -> None:
        super().__init__()
        if network not in get_args(Network):
            raise AdaptError(f"network expects one of {', '.join(get_args(Network))}, found {network!r}.")
        if weights is not None and checkpoint is not None:
            raise AdaptError("expected weights or checkpoint, found both: keep one of them.")
        # A random network must be the same in every run, and must not change the run's generator.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = _torchvision_model(network, weights)
        model.classifier = nn.Identity()
        if checkpoint is not None:
            load_checkpoint(model, checkpoint, ["classifier."])
        stages = list(model.get_submodule("features").children())
        if not layers or sorted(set(layers)) != list(layers) or layers[0] < 0 or layers[-1] >= len(stages):
            raise AdaptError(
                f"layers expects ascending positions from 0 to {len(stages) - 1} of {network}, found {list(layers)}."
            )
        self.layers = tuple(layers)
        self.features = nn.Sequential(*stages[: layers[-1] + 1])
        for module in self.features.modules():
            if isinstance(module, nn.ReLU):
                module.inplace = False  # otherwise it could overwrite a chosen layer's map
        self.requires_grad_(False).eval()
        for name, values in zip(("mean", "std"), _IMAGENET, strict=True):
            self.register_buffer(name, torch.tensor(values)[:, None, None], persistent=False)

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """Feature maps `(N, C_l, H_l, W_l)` of images `(N, 3, H, W)` or gray `(N, 1, H, W)`, with pixels in [0, 1].

        Raises:
            AdaptError: The inputs are not such images, or they are too small for the deepest layer.
        """
        if pixels.ndim != 4 or pixels.shape[1] not in (1, 3):
            raise AdaptError(f"Expected images (N, 3, H, W) or (N, 1, H, W), found {tuple(pixels.shape)}.")
        x = (pixels - self.get_buffer("mean")) / self.get_buffer("std")
        maps = []
        for position, module in enumerate(self.features):
            if min(x.shape[2:]) < (2 if isinstance(module, nn.MaxPool2d) else 1) or min(pixels.shape[2:]) < 3:
                raise AdaptError(
                    f"Expected larger images for layer {self.layers[-1]}, found {tuple(pixels.shape[2:])}: "
                    "take earlier layers."
                )
            x = module(x)
            if position in self.layers:
                maps.append(x)
        return maps


def perceptual_features(
    network: Network, layers: Sequence[int], checkpoint: str | None = None, pretrained: bool = True
) -> PerceptualFeatures:
    """The network with its ImageNet weights: from `checkpoint`, or `$ADAPT_DATA/weights/<network>.pth`, or downloaded.

    Args:
        network: torchvision's name.
        layers: See `PerceptualFeatures`.
        checkpoint: Local state dict; None looks for one.
        pretrained: False takes the random network, unless there is a checkpoint.

    Raises:
        AdaptError: As for `PerceptualFeatures`.
    """
    if checkpoint is not None or not pretrained:
        return PerceptualFeatures(network, layers, checkpoint=checkpoint)
    beside = data_root() / "weights" / f"{network}.pth"
    if beside.is_file():
        return PerceptualFeatures(network, layers, checkpoint=str(beside))
    return PerceptualFeatures(network, layers, weights="DEFAULT")


def _torchvision_model(network: str, weights: str | None) -> nn.Module:
    try:
        model: nn.Module = torchvision.models.get_model(network, weights=weights)
    except (URLError, OSError, RuntimeError) as error:
        raise AdaptError(
            f"Expected ImageNet weights of {network}, could not download them ({error}). Give torchvision's state dict "
            f"as a file, or put it at $ADAPT_DATA/weights/{network}.pth."
        ) from error
    except (ValueError, KeyError) as error:
        raise AdaptError(f"{network} has no torchvision weights {weights!r}: DEFAULT is one.") from error
    return model
