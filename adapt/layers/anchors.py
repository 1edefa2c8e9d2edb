"""Output layers whose weights are embedded texts: what the classes are called, and how they are described."""

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from adapt.backbones.transformer import TransformerBackbone, tokenise
from adapt.errors import AdaptError
from adapt.recorded import Recorded


class TextAnchors(Recorded):
    """The classes' names in a text encoder's space, as the fixed weights of a classifier (`--model.anchors`).

    Papers: Frome et al., DeViSE: A Deep Visual-Semantic Embedding Model, NeurIPS 2013
    (https://papers.nips.cc/paper/5204-devise-a-deep-visual-semantic-embedding-model); Radford et al., Learning
    Transferable Visual Models From Natural Language Supervision, ICML 2021 (https://arxiv.org/abs/2103.00020).

    Formula: logits `z_k = cos(P f, a_k) / T`, with f `(N, d)` the features (after a bottleneck, if there is one), P a
    linear layer into the text space that is trained, and a_k `(D,)` the mean of the embedded texts of class k, each of
    length 1. The method's features are P f `(N, D)`: whatever it aligns, it aligns in the text space, around anchors
    that both domains share and that no training moves. A class that no labelled image shows has an anchor all the same
    (`--data.unseen_classes`).

    A network that was trained on images of the other classes alone finds those nearly always, whatever it sees. With
    `calibration` γ the cosine of each class that has labelled images is lowered by it (calibrated stacking; Chao et
    al., ECCV 2016, https://arxiv.org/abs/1605.04253). The source's loss does not change by it. To choose γ, leave out a
    class that the source has, and look at the source's own images of it.

    Departures: DeViSE ranks with a hinge loss, here it is the method's own loss on the logits, as for any classifier;
    CLIP trains both encoders on image-text pairs, here the text encoder is frozen and never saw an image, so that P has
    to learn from the source's classes alone how images and names correspond.

    Published: not on a task here.

    Args:
        path: Hugging Face folder of the text encoder, see `TransformerBackbone`.
        templates: Texts with a `{}` for the class's name, in which `_` and `-` become blanks.
        descriptions: Texts of single classes, by their names, in the place of the templates: one or several.
        temperature: Temperature T, above 0.
        calibration: Margin γ that seen classes' cosines lose where some are unseen, from 0 to 2.
        pooling: How the encoder's vectors become one, `mean` or `cls`.

    Raises:
        AdaptError: There is no encoder, a description is of no class, a template has no place for the name, or an
            argument is out of range.
    """

    def __init__(
        self,
        path: str,
        templates: Sequence[str] = ("a picture of a {}",),
        descriptions: Mapping[str, str | list[str]] | None = None,
        temperature: float = 0.05,
        pooling: Literal["mean", "cls"] = "mean",
        calibration: float = 0.0,
    ) -> None:
        templates = [templates] if isinstance(templates, str) else list(templates)
        if not templates or any("{}" not in template for template in templates):
            raise AdaptError(f"Expected templates with {{}} for the class's name, found {templates or 'none'}.")
        if temperature <= 0:
            raise AdaptError(f"Expected a temperature above 0, found {temperature}.")
        if not 0 <= calibration <= 2:
            raise AdaptError(f"Expected a calibration from 0 to 2, as cosines differ, found {calibration}.")
        self.calibration = calibration
        self.path, self.templates, self.temperature, self.pooling = path, templates, temperature, pooling
        given = {str(name): texts for name, texts in (descriptions or {}).items()}
        self.descriptions = {name: [texts] if isinstance(texts, str) else list(texts) for name, texts in given.items()}

    def texts(self, names: Sequence[str]) -> list[list[str]]:
        """What is said of each class.

        Args:
            names: The classes' names.
        """
        if unknown := sorted(self.descriptions.keys() - set(names)):
            raise AdaptError(
                f"Expected descriptions of the classes {', '.join(names)[:200]}, found one of {unknown[0]!r}."
            )
        words = {name: name.replace("_", " ").replace("-", " ") for name in names}
        return [
            self.descriptions.get(name) or [template.replace("{}", words[name]) for template in self.templates]
            for name in names
        ]

    def head(self, names: Sequence[str], unseen: Sequence[str] = ()) -> "AnchorHead":
        """The output layer of some classes, for which the encoder is read and let go again.

        Args:
            names: The classes' names.
            unseen: Which of them have no labelled image.
        """
        # A frozen encoder draws no numbers, but building it does: a run is to be the same with any encoder.
        state = torch.get_rng_state()
        encoder = TransformerBackbone(self.path, pooling=self.pooling, trainable_layers=0).eval()
        anchors = []
        with torch.no_grad():
            for texts in self.texts(names):
                vectors = encoder(tokenise(texts, self.path, min(128, encoder.longest)))
                anchors.append(normalize(normalize(vectors, dim=1).mean(0), dim=0))
        torch.set_rng_state(state)
        margins = [self.calibration if unseen and name not in unseen else 0.0 for name in names]
        return AnchorHead(torch.stack(anchors), self.temperature, torch.tensor(margins))


class AnchorHead(nn.Module):
    """Class logits (cos(f, a_k) − γ_k) / T of features, with fixed anchors.

    Args:
        anchors: One vector a_k for each class `(K, D)`.
        temperature: T, above 0.
        margins: γ_k `(K,)`; 0 when None.

    Examples:
        >>> head = AnchorHead(torch.eye(2), temperature=0.5)
        >>> head(torch.tensor([[3.0, 0.0]]))
        tensor([[2., 0.]])
    """

    anchors: Tensor
    margins: Tensor

    def __init__(self, anchors: Tensor, temperature: float = 0.05, margins: Tensor | None = None) -> None:
        super().__init__()
        self.temperature = temperature
        self.register_buffer("margins", torch.zeros(len(anchors)) if margins is None else margins)
        self.register_buffer("anchors", normalize(anchors, dim=1))

    def forward(self, features: Tensor) -> Tensor:
        """Logits `(N, K)` of features `(N, D)`."""
        cosines = normalize(features, dim=1) @ self.anchors.to(features.dtype).T
        return (cosines - self.margins.to(cosines.dtype)) / self.temperature
