"""DELTA: keep feature maps close to the source network's."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional

from adapt.backbones import Backbone
from adapt.data.batches import Labelled
from adapt.encoding import Encoding
from adapt.errors import AdaptError
from adapt.layers import evaluating
from adapt.losses import delta
from adapt.losses.delta import channel_dimension
from adapt.regularisers.base import FromStart, Network


class DELTA(FromStart):
    """Squared difference of the feature maps from the source network's, weighted by each channel's importance.

    Paper: Li et al., DELTA: Deep Learning Transfer Using Feature Map with Attention for Convolutional Networks, ICLR
    2019 (https://arxiv.org/abs/1901.09229).

    Formula: `w · Σ_l Σ_c a_lc · mean (F_lc(x) − F⁰_lc(x))²` over samples and positions, with F_l the output
    `(N, C_l, ...)` of the backbone's block l, F⁰_l that of the network before fine-tuning, and `a_l = softmax_c (L₀
    without channel c − L₀)`. L₀ is the initial network's cross-entropy on the labelled target samples. The attention is
    computed once, with one pass over these samples for each channel.

    Departures: L₀ uses the source network's own classifier, which has the target's classes; the paper first trains a
    new one. The sum over samples and positions is a mean here. New parts do not decay (see `new` of `L2SP`). Both
    networks run in evaluation mode, so that dropout and batch statistics do not count as a change. This costs a second
    pass over the batch; TLlib tunes in training mode.

    Published: not on a task here.

    Args:
        weight: Weight w.
        attention: Whether channels are weighted. If not, each has weight 1/C_l, and the extra passes are not needed.
        attention_samples: Largest number of labelled samples for the attention, picked evenly from all.

    Raises:
        AdaptError: The backbone has no blocks, or a block's output is not a tensor.
    """

    attention: Tensor

    def __init__(self, weight: float = 1.0, attention: bool = True, attention_samples: int = 256) -> None:
        super().__init__(weight)
        self.weighted, self.attention_samples = attention, attention_samples
        self.register_buffer("attention", torch.zeros(0), persistent=False)

    def attach(self, network: Network) -> None:
        """Copy the network, which must have blocks."""
        if not network.backbone.blocks:
            raise AdaptError(
                f"DELTA expects a backbone with blocks, found {type(network.backbone).__name__} with none. Take L2SP."
            )
        super().attach(network)

    @torch.no_grad()
    def begin(self, network: Network, labelled: Iterable[Labelled], held_out: Iterable[Labelled]) -> None:
        """Copy the network's current weights, and compute the channels' weights."""
        super().begin(network, labelled, held_out)
        if self.weighted:
            batches = list(labelled)
            x, y = torch.cat([batch.x for batch in batches]), torch.cat([batch.y for batch in batches])
            at = torch.linspace(0, len(x) - 1, min(len(x), self.attention_samples)).round().long()
            self.attention = torch.cat(channel_attention(self.start, x[at], y[at]))

    def value(self, network: Network, batch: Labelled, encoding: Encoding) -> Tensor:
        """Sum over the blocks, in squared feature units."""
        with evaluating(network.backbone):
            maps = feature_maps(network.backbone, batch.x)
        with torch.no_grad():
            start = feature_maps(self.start.backbone, batch.x)
        weights: list[Tensor] | list[None] = [None] * len(maps)
        if len(self.attention):
            weights = list(torch.split(self.attention, [m.shape[channel_dimension(m)] for m in maps]))
        return torch.stack([delta(m, s, a) for m, s, a in zip(maps, start, weights, strict=True)]).sum()

    def get_extra_state(self) -> Tensor:
        """The attention; the network's first pass sets its length."""
        return self.attention

    def set_extra_state(self, state: Tensor) -> None:
        """Restore the attention."""
        self.attention = state.to(self.attention.device)


def feature_maps(backbone: Backbone, x: Tensor) -> list[Tensor]:
    """Outputs of the backbone's blocks for inputs `(N, ...)`, from input to output.

    Raises:
        AdaptError: An output is not a tensor, or a block is not used.
    """
    layers = _layers(backbone)
    kept: dict[nn.Module, Tensor] = {}

    def keep(module: nn.Module, output: Tensor) -> None:
        kept[module] = output

    with _hooks(layers, keep):
        backbone(x)
    for layer in layers:
        if not isinstance(kept.get(layer), Tensor):
            found = type(kept[layer]).__name__ if layer in kept else "none"
            raise AdaptError(
                f"DELTA expects a tensor from every block of {type(backbone).__name__}, found {found} from "
                f"{type(layer).__name__}. Take L2SP."
            )
    return [kept[layer] for layer in layers]


@torch.no_grad()
def channel_attention(network: Network, x: Tensor, y: Tensor) -> list[Tensor]:
    """For each block, the softmax over channels of the loss increase when a channel is removed.

    Args:
        network: The network.
        x: Inputs `(N, ...)`.
        y: Their classes `(N,)`.

    Returns:
        Weights `(C_l,)` of each block of the backbone.
    """
    weights = []
    with evaluating(network):
        whole = functional.cross_entropy(network(x).logits, y)
        for layer, maps in zip(_layers(network.backbone), feature_maps(network.backbone, x[:1]), strict=True):
            dimension = channel_dimension(maps)
            losses = []
            for channel in torch.arange(maps.shape[dimension], device=x.device):

                def remove(module: nn.Module, output: Tensor, at: Tensor = channel, dim: int = dimension) -> Tensor:
                    return output.index_fill(dim, at, 0)

                with _hooks([layer], remove):
                    losses.append(functional.cross_entropy(network(x).logits, y))
            weights.append((torch.stack(losses) - whole).softmax(0))
    return weights


def _layers(backbone: Backbone) -> list[nn.Module]:
    layers = []
    for block in backbone.blocks:
        # A part joined with its normalisation is a list, which is never called: use the normalisation's output.
        while isinstance(block, nn.ModuleList):
            block = block[-1]
        layers.append(block)
    return layers


@contextmanager
def _hooks(layers: Iterable[nn.Module], act: Callable[[nn.Module, Tensor], Tensor | None]) -> Iterator[None]:
    handles = [layer.register_forward_hook(lambda module, _, output: act(module, output)) for layer in layers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
