"""Canonical correlation of two modalities of frozen features."""

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from adapt.encoding import DomainEncoding
from adapt.errors import AdaptError
from adapt.losses import canonical_correlation
from adapt.methods.mapping import MappingMethod, Side


class CCA(MappingMethod):
    """Keep what the two modalities of a sample agree on, and learn the classifier on that.

    Papers: Hotelling, Relations Between Two Sets of Variates, Biometrika 1936
    (https://doi.org/10.1093/biomet/28.3-4.321); Hardoon, Szedmak and Shawe-Taylor, Canonical Correlation Analysis: An
    Overview with Application to Learning Methods, Neural Computation 2004 (https://doi.org/10.1162/0899766042321814).

    Formula: with features x = [a, b] `(N, d + e)` of an image and its text, W_a and W_b the projections of
    `adapt.losses.canonical_correlation` and μ each domain's own means: `x → ½ [(a − μ_a) W_a + (b − μ_b) W_b]`
    `(N, k)`. The same projections serve both domains.

    Why it adapts: no label is needed to see which directions of the target's images and texts vary together. With
    `fitted_on: target` a cue that belongs to one modality alone, and that helped in the source by chance or by custom,
    is dropped, since in the target the other modality knows nothing of it. It can do nothing where a shift moves what
    the modalities share.

    Departures: the authors look for documents in the common space, and train no classifier there; the ridge is in units
    of each modality's mean variance; each domain has its own means.

    Published: not on a task here.

    Args:
        components: Number of pairs of directions k, at most the narrower modality's width.
        split: Width d of the first modality's features. None asks a `FusionBackbone` without `width`.
        regularization: Ridge r, in units of each modality's mean variance.
        fitted_on: The pairs on which the projections are fitted: the `target`'s, or those of `both` domains, each
            centred by its own means.
        **kwargs: Arguments of `MappingMethod`.

    Raises:
        AdaptError: Nobody says where the first modality's features end, or an argument is out of range.
    """

    tensors: ClassVar[tuple[str, ...]] = ("weight", "source_bias", "target_bias", "correlations")

    def __init__(
        self,
        components: int = 10,
        split: int | None = None,
        regularization: float = 0.1,
        fitted_on: Literal["target", "both"] = "target",
        **kwargs: Any,
    ) -> None:
        super().__init__(components=components, **kwargs)
        widths = getattr(self.backbone, "widths", None)
        if split is None and widths is not None and self.backbone.num_features == sum(widths):
            split = widths[0]
        width = self.backbone.num_features
        if split is None or not 0 < split < width:
            raise AdaptError(
                f"CCA expects split between 1 and {width - 1}, the width of the first modality's features, found "
                f"{split}: give --model.split, or a FusionBackbone with fusion early and width null."
            )
        if components > min(split, width - split):
            raise AdaptError(
                f"CCA expects components of at most {min(split, width - split)}, the narrower modality's width, found "
                f"{components}."
            )
        if regularization < 0 or fitted_on not in ("target", "both"):
            raise AdaptError(
                "CCA expects a regularization of at least 0 and fitted_on target or both, found "
                f"{regularization} and {fitted_on!r}."
            )
        self.split, self.regularization, self.fitted_on = split, regularization, fitted_on

    def fit_map(self, source: DomainEncoding, target: DomainEncoding) -> dict[str, Tensor]:
        """The projections one above the other, and both sides' means."""
        features = {"source": source.features.double(), "target": target.features.double()}
        means = {side: x.mean(0) for side, x in features.items()}
        fitted = ["target"] if self.fitted_on == "target" else ["source", "target"]
        pairs = torch.cat([features[side] - means[side] for side in fitted])
        first, second, correlations = canonical_correlation(
            pairs[:, : self.split],
            pairs[:, self.split :],
            components=self.num_features,
            regularization=self.regularization,
        )
        weight = torch.cat([first, second]) / 2
        found = {"weight": weight, "correlations": correlations}
        return found | {f"{side}_bias": -mean @ weight for side, mean in means.items()}

    def mapped(self, features: Tensor, side: Side) -> Tensor:
        """The common components of one side `(N, k)`."""
        return torch.addmm(self.map[f"{side}_bias"], features, self.map["weight"])
