"""One network for samples of an image and a text."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from adapt.backbones.base import Backbone
from adapt.errors import AdaptError
from adapt.trees import Tree

Fusion = Literal["early", "late", "cross", "image", "text"]


class FusionBackbone(Backbone):
    """An encoder of images and one of texts, fused early, late, or by cross-attention.

    With e_i `(N, d_i)` and e_t `(N, d_t)` the encoders' features and h a layer Linear → batch norm → ReLU:

    - `early`: f = h([e_i, e_t]): a joint layer sees both. `(N, width)`.
    - `late`: f = [h_i(e_i), h_t(e_t)] `(N, 2 · width)`. A linear classifier then adds the two modalities' logits, so
      the softmax is the normalised product of their two predictions. A bottleneck would mix them, and is refused.
    - `cross`: the image's parts ask the text's, and the other way round: u = LN(p_i + Attention(p_i, p_t, p_t)),
      averaged over the parts, v likewise; f = h([u, v]). `(N, width)`. The parts of a text are its words
      (`TransformerBackbone`, `BagOfWords`), those of an image the cells of `SmallCNN`'s grid; of any other backbone the
      features are mapped to `slots` vectors by a linear layer, since it gives no parts.
    - `image`, `text`: one modality alone, as the baselines of the others.

    A sample may lack one modality, which its flag in `present` says. A learned vector, 0 at first, then stands for what
    the encoder would have said. It learns from samples that lack the modality, or that lose it in training by
    `modality_dropout`; with neither it stays 0. In training at most one modality of a sample is dropped, never both.

    Inputs are what `adapt.data.ImageText` gives: a dict of `image`, `text` (what the text encoder reads) and `present`
    `(N, 2)`, whether there is an image and a text. Without `present` all are there.

    Args:
        image: Encoder of the images, any backbone.
        text: Encoder of the texts, any backbone that reads them.
        fusion: See above.
        width: Width of the layers h and of the attention. None leaves h out, with `early`, `image` or `text` alone: the
            encoders' features as they are, for `adapt features`.
        modality_dropout: Probability of hiding the image, and as much of hiding the text, in training; at most 0.5.
        slots: How many vectors stand for the features of a backbone that gives no parts.
        heads: Attention heads.
        encoder_lr_scale: Factor on the encoders' learning rate, beside the method's `backbone_lr_scale`: 0.1 is usual
            for pretrained encoders under new layers.
        input_shape: `(channels, height, width)` of the images, which the command line fills in: `image` is then built
            anew for it, where it has an argument of that name. None takes it as it is.

    Raises:
        AdaptError: An argument is out of range; an input is no pair of image and text.
    """

    def __init__(
        self,
        image: Backbone,
        text: Backbone,
        fusion: Fusion = "early",
        width: int | None = 128,
        modality_dropout: float = 0.0,
        slots: int = 4,
        heads: int = 4,
        encoder_lr_scale: float = 1.0,
        input_shape: tuple[int, ...] | None = None,
    ) -> None:
        super().__init__()
        image = _built_for(image, input_shape)
        if width is None and fusion in ("late", "cross"):
            raise AdaptError(f"Expected a width with fusion {fusion}, found none: its layers need one.")
        if width is not None and width < 1:
            raise AdaptError(f"Expected a width of at least 1, found {width}.")
        if not 0 <= modality_dropout <= 0.5:
            raise AdaptError(
                f"Expected modality_dropout in [0, 0.5], the probability of each of two, found {modality_dropout}."
            )
        if slots < 1 or heads < 1 or (fusion == "cross" and width is not None and width % heads):
            raise AdaptError(
                f"Expected slots and heads of at least 1, heads a divisor of {width}, found {slots}, {heads}."
            )
        self.image, self.text, self.fusion = image, text, fusion
        self.modality_dropout, self.encoder_lr_scale = modality_dropout, encoder_lr_scale
        self.takes_bottleneck = fusion != "late"
        widths = (image.num_features, text.num_features)
        for name, unused in (("text", text), ("image", image)):
            if fusion in ("image", "text") and fusion != name:
                unused.requires_grad_(False)
        if fusion == "cross":
            assert width is not None
            self.image_parts, self.text_parts = _Parts(image, width, slots), _Parts(text, width, slots)
            self.image_asks, self.text_asks = _Attention(width, heads), _Attention(width, heads)
            self.joint: nn.Module = _layer(2 * width, width)
            self.num_features, of_absent = width, (width, width)
        elif fusion == "late":
            assert width is not None
            self.image_layer, self.text_layer = _layer(widths[0], width), _layer(widths[1], width)
            self.num_features, of_absent = 2 * width, widths
        else:
            taken = {"early": sum(widths), "image": widths[0], "text": widths[1]}[fusion]
            self.joint = nn.Identity() if width is None else _layer(taken, width)
            self.num_features, of_absent = width or taken, widths
        self.absent_image = nn.Parameter(torch.zeros(of_absent[0]))
        self.absent_text = nn.Parameter(torch.zeros(of_absent[1]))
        self.widths = widths

    def layer_groups(self) -> list[tuple[float, list[nn.Parameter]]]:
        """The encoders' parameters, with their own factors times `encoder_lr_scale`, and the fusion's."""
        groups: list[tuple[float, list[nn.Parameter]]] = []
        for encoder in (self.image, self.text):
            own = getattr(encoder, "layer_groups", lambda encoder=encoder: [(1.0, list(encoder.parameters()))])
            groups += [(self.encoder_lr_scale * factor, parameters) for factor, parameters in own()]
        known = {id(p) for _, parameters in groups for p in parameters}
        return [*groups, (1.0, [p for p in self.parameters() if id(p) not in known])]

    def forward(self, x: Tree) -> Tensor:
        """Features `(N, num_features)` of `{"image": (N, ...), "text": ..., "present": (N, 2)}`."""
        if not isinstance(x, dict) or not {"image", "text"} <= x.keys():
            found = (
                f"{tuple(x.shape)}" if isinstance(x, Tensor) else sorted(x) if isinstance(x, dict) else type(x).__name__
            )
            raise AdaptError(f"FusionBackbone expects a dict of image and text, found {found}: use ImageText.")
        present = self.seen(x)
        if self.fusion in ("image", "text"):
            return self._encoded(x, self.fusion, present)
        if self.fusion == "cross":
            return self._crossed(x, present)
        image, text = self._encoded(x, "image", present), self._encoded(x, "text", present)
        if self.fusion == "late":
            return torch.cat([self.image_layer(image), self.text_layer(text)], 1)
        joined: Tensor = self.joint(torch.cat([image, text], 1))
        return joined

    def seen(self, x: Tree) -> Tensor:
        """Which modalities of each sample are read `(N, 2)`: those that are there, less what is dropped in training."""
        image = x["image"]
        present: Tensor = x.get("present", torch.ones(len(image), 2, dtype=torch.bool, device=image.device)).bool()
        if not self.training or not self.modality_dropout:
            return present
        drawn = torch.rand(len(present), device=present.device)
        dropped = torch.stack([drawn < self.modality_dropout, drawn >= 1 - self.modality_dropout], 1)
        # Whoever has but one keeps it.
        return torch.where(present.all(1, keepdim=True), present & ~dropped, present)

    def _encoded(self, x: Tree, name: Literal["image", "text"], present: Tensor) -> Tensor:
        at = ("image", "text").index(name)
        encoder, absent = (self.image, self.absent_image) if at == 0 else (self.text, self.absent_text)
        features: Tensor = encoder(x[name])
        found = torch.where(present[:, at : at + 1], features, absent.to(features.dtype))
        if self.fusion == name:
            found = self.joint(found)
        return found

    def _crossed(self, x: Tree, present: Tensor) -> Tensor:
        image, of_image = self.image_parts(self.image, x["image"])
        text, of_text = self.text_parts(self.text, x["text"])
        # Every part is then the absent vector, and all of them count, so that there is something to attend to.
        image = torch.where(present[:, :1, None], image, self.absent_image.to(image.dtype))
        text = torch.where(present[:, 1:, None], text, self.absent_text.to(text.dtype))
        of_image, of_text = of_image | ~present[:, :1], of_text | ~present[:, 1:]
        asked = [self.image_asks(image, of_image, text, of_text), self.text_asks(text, of_text, image, of_image)]
        joined: Tensor = self.joint(torch.cat(asked, 1))
        return joined


def _built_for(encoder: Backbone, shape: Sequence[int] | None) -> Backbone:
    # A parser's link reaches the fusion's own arguments, and none of what they are built of.
    known: dict[str, Any] = dict(getattr(encoder, "_built_with", {}))
    taken = inspect.signature(type(encoder).__init__).parameters
    if shape is None or not known or "input_shape" not in taken or known.get("input_shape") == tuple(shape):
        return encoder
    return type(encoder)(**known | {"input_shape": tuple(shape)})


class _Parts(nn.Module):
    """The parts of an encoder's inputs as vectors of one width."""

    def __init__(self, encoder: Backbone, width: int, slots: int) -> None:
        super().__init__()
        self.slots = slots
        self.has_parts = hasattr(encoder, "parts") and hasattr(encoder, "part_features")
        taken = encoder.part_features if self.has_parts else encoder.num_features
        self.layer = nn.Linear(int(taken), width if self.has_parts else slots * width)  # type: ignore[arg-type]  # an attribute of modules may be anything
        self.norm = nn.LayerNorm(width)

    def forward(self, encoder: Backbone, x: Tree) -> tuple[Tensor, Tensor]:
        """Vectors `(N, T, width)`, and which of them count `(N, T)`."""
        if self.has_parts:
            parts: Callable[[Any], tuple[Tensor, Tensor]] = encoder.parts  # type: ignore[assignment]
            found, counts = parts(x)
            return self.norm(self.layer(found)), counts
        slots = self.layer(encoder(x)).unflatten(1, (self.slots, -1))
        return self.norm(slots), torch.ones(slots.shape[:2], dtype=torch.bool, device=slots.device)


class _Attention(nn.Module):
    """What parts find in another modality's, averaged."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.norm = nn.LayerNorm(width)

    def forward(self, own: Tensor, counts: Tensor, other: Tensor, of_other: Tensor) -> Tensor:
        """Vectors `(N, width)` of parts `(N, T, width)` that ask others `(N, S, width)`."""
        found, _ = self.attention(own, other, other, key_padding_mask=~of_other, need_weights=False)
        weight = counts[..., None].to(found.dtype)
        mean: Tensor = (self.norm(own + found) * weight).sum(1) / weight.sum(1).clamp_min(1)
        return mean


def _layer(taken: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(taken, width), nn.BatchNorm1d(width), nn.ReLU())
