"""Mappings of frozen features: write `fit_map` and `mapped`; the base passes over the data, stores and trains."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor, nn

from adapt.data.batches import Labelled, Pair
from adapt.encoding import TARGET, DomainEncoding, Encoding, Encodings
from adapt.errors import AdaptError
from adapt.layers import Bottleneck
from adapt.losses.inputs import full_precision
from adapt.methods.base import Method
from adapt.trees import Tree

Side = Literal["source", "target"]


class MappingMethod(Method):
    """Base of the methods that map two domains' frozen features onto each other, once, and then learn a classifier.

    Backbone and bottleneck are frozen in evaluation mode, with the weights that they have (from `init_from` if given).
    When training starts, a pass over each domain's training inputs gives the features for the map. Only the linear
    classifier is trained, with cross-entropy on the mapped source, by the method's optimizer. Forward and prediction
    use the target's side of the map; source accuracy uses the source's side.

    The map is in the checkpoint: a continued run does not compute it again. Penalties see both sides, and act on the
    classifier. Half-precision training leaves the map in full precision.

    Args:
        components: Width of the mapped features, at most the features' width; None if the map keeps the width.
        **kwargs: Arguments of `Method`.

    Raises:
        AdaptError: `components` is below 1; training starts with an untrained bottleneck, or without a
            `DomainDataModule`; an input is mapped before there is a map.
    """

    family: ClassVar[str] = "mapping"
    takes_anchors: ClassVar[bool] = False
    tensors: ClassVar[Sequence[str]] = ()
    """Names of the tensors that make up the map."""

    def __init__(self, components: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if components is not None:
            if components < 1:
                raise AdaptError(f"Expected components of at least 1, found {components}.")
            self.num_features = min(components, self.num_features)
            self.classifier = self.problem.output_layer(self.num_features)
        self.backbone.requires_grad_(False).eval()
        self.bottleneck.requires_grad_(False).eval()
        self.map = FittedTensors(self.tensors)
        self._side: Side | None = "target"

    def fit_map(self, source: DomainEncoding, target: DomainEncoding) -> dict[str, Tensor]:
        """The map's tensors, by the names in `tensors`. Every mapping writes this.

        Args:
            source: Features `(N, d)` and labels of the source's training samples.
            target: Features `(M, d)` of the target's training samples.
        """
        raise AdaptError(f"{type(self).__name__} has to define fit_map(source, target), which returns named tensors.")

    def mapped(self, features: Tensor, side: Side) -> Tensor:
        """Map features `(N, d)` of a domain for the classifier. Every mapping writes this."""
        raise AdaptError(f"{type(self).__name__} has to define mapped(features, side), which returns features.")

    def encode_source(self, samples: Labelled) -> Encoding:
        """Map source training samples, on the source's side."""
        with self._seen_from("source"):
            encoding: Encoding = self(samples.x)
        return encoding

    def losses(self, batch: Pair) -> dict[str, Tensor]:
        """Cross-entropy on the mapped source."""
        return {"source": self.supervised_loss(self.encode_source(batch.source).logits, batch.source.y)}

    def encode(self, batch: Pair) -> Encodings:
        """Encode each domain with its side of the map."""
        return Encodings(self.encode_source(batch.source), self(batch.target.x))

    def encode_domain(self, role: Side) -> DomainEncoding:
        """As `Method.encode_domain`, with the role's side of the map."""
        with self._seen_from(role):
            return super().encode_domain(role)

    def forward(self, x: Tensor) -> Encoding:
        """Mapped features and logits of inputs `(N, ...)`, by default of the target."""
        features = self.bottleneck(self.backbone(x))
        if self._side is None:  # while the map is being fitted there are no logits yet
            return Encoding(features, features[:, :0])
        if self.map.empty:
            raise AdaptError(f"{type(self).__name__} has no map yet: train it, or load a checkpoint of its own.")
        features = self.mapped(full_precision(features), self._side).to(next(self.classifier.parameters()))
        return Encoding(features, self.classifier(features))

    def on_fit_start(self) -> None:
        """Compute the map, unless the run continues with the map in its checkpoint."""
        super().on_fit_start()
        if self.trainer.ckpt_path is not None:
            return
        if isinstance(self.bottleneck, Bottleneck) and not self.started:
            raise AdaptError(
                f"{type(self).__name__} trains only the classifier, found an untrained bottleneck. "
                "Leave --model.bottleneck out, or give --model.init_from <a SourceOnly run>/checkpoints/last.ckpt."
            )
        with self._seen_from(None):
            source, target = super().encode_domain("source"), super().encode_domain("target")
        like = full_precision(source.features)
        self.map.fill({name: t.to(like) for name, t in self.fit_map(source, target).items()})

    def train(self, mode: bool = True) -> Self:
        """Set the mode of the classifier; backbone and bottleneck stay in evaluation mode."""
        super().train(mode)
        self.backbone.eval()
        self.bottleneck.eval()
        return self

    def evaluated(self, x: Tree, domain: int) -> Encoding:
        """Encoding of inputs, mapped with their domain's side."""
        with self._seen_from("target" if domain == TARGET else "source"):
            return super().evaluated(x, domain)

    @contextmanager
    def _seen_from(self, side: Side | None) -> Iterator[None]:
        before, self._side = self._side, side
        try:
            yield
        finally:
            self._side = before


class FittedTensors(nn.Module):
    """Buffers whose sizes depend on the data: empty until they are set or loaded.

    Args:
        names: Their names.
    """

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        for name in names:
            self.register_buffer(name, torch.empty(0))
        self.register_load_state_dict_pre_hook(_take_sizes)  # type: ignore[no-untyped-call]  # torch leaves it untyped

    @property
    def empty(self) -> bool:
        """Whether nothing was set or loaded yet."""
        return any(buffer.numel() == 0 for buffer in self.buffers())

    def fill(self, values: dict[str, Tensor]) -> None:
        """Set every buffer."""
        for name in self._buffers:
            setattr(self, name, values[name].clone())

    def __getitem__(self, name: str) -> Tensor:
        return self.get_buffer(name)

    def _apply(self, fn: Any, recurse: bool = True) -> Self:
        kept = dict(self.named_buffers(recurse=False))
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]  # torch leaves it untyped
        # If the network becomes half precision, the map keeps its full precision.
        for name, buffer in kept.items():
            now = self.get_buffer(name)
            if now.dtype in (torch.float16, torch.bfloat16):
                setattr(self, name, full_precision(buffer.to(now.device)))
        return self


def _take_sizes(module: nn.Module, state_dict: dict[str, Any], prefix: str, *_: Any) -> None:
    for name, buffer in list(module.named_buffers(recurse=False)):
        if (saved := state_dict.get(prefix + name)) is not None:
            setattr(module, name, torch.empty_like(saved, device=buffer.device))
