"""Transfer component analysis of frozen features."""

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from adapt.encoding import DomainEncoding
from adapt.errors import AdaptError
from adapt.losses import tca, transfer_components
from adapt.losses.tca import TransferComponents
from adapt.methods.mapping import MappingMethod, Side


class TCA(MappingMethod):
    """Project both domains on kernel components that keep the variance while the domains' means agree.

    Paper: Pan et al., Domain Adaptation via Transfer Component Analysis, IEEE Transactions on Neural Networks 2011
    (https://doi.org/10.1109/TNN.2010.2091281).

    Formula: `x → k(x, Z) W + b`, with W `(m, k)` the leading eigenvectors of `(K L K + μ I)^{−1} K H K`, K the kernel
    between all training samples of both domains and Z, H the centring matrix, and tr(L K K) the squared MMD. Only the
    means of the kernel features are matched, so a rotation or scaling of a domain is corrected only as far as the
    kernel allows.

    Departures: K is `(N + M, m)` with m landmarks drawn from both domains with the run's seed, so time is quadratic in
    m and linear in the samples (the paper uses all samples, which is cubic; small data sets do so here too). The
    components keep the eigenvectors' scale, up to a common factor, as in other implementations. The paper's constraint
    WᵀKHKW = I whitens them (`whiten`; on frozen PACS features this costs up to 40 points). The classifier is a softmax,
    and the width of the Gaussian kernel follows the data. A Gaussian kernel needs domains that overlap.

    Published: not on a task here.

    Args:
        components: Number of components k, at most the width of the features.
        kernel: `linear`, the dot product, or `gaussian`, exp(−d²/b).
        scale: b in units of the landmarks' mean squared distance, for the Gaussian kernel.
        regularization: μ; a smaller μ makes the means agree more closely.
        whiten: Scale every component to unit variance.
        landmarks: Largest number m of samples that define the components, at most half of them from each domain.
        **kwargs: Arguments of `MappingMethod`.

    Raises:
        AdaptError: `landmarks` is below 2.
    """

    tensors: ClassVar[tuple[str, ...]] = TransferComponents._fields

    def __init__(
        self,
        components: int = 50,
        kernel: Literal["gaussian", "linear"] = "linear",
        scale: float = 1.0,
        regularization: float = 1.0,
        whiten: bool = False,
        landmarks: int = 1000,
        **kwargs: Any,
    ) -> None:
        super().__init__(components=components, **kwargs)
        if landmarks < 2:
            raise AdaptError(f"Expected landmarks of at least 2, found {landmarks}.")
        self.kernel, self.scale, self.regularization = kernel, scale, regularization
        self.whiten, self.landmarks = whiten, landmarks

    def fit_map(self, source: DomainEncoding, target: DomainEncoding) -> dict[str, Tensor]:
        """The landmarks, and the components' weights on them."""
        generator = torch.Generator().manual_seed(torch.initial_seed() % 2**31)
        landmarks = [drawn(x.features, self.landmarks // 2, generator) for x in (source, target)]
        found = tca(
            source.features,
            target.features,
            components=self.num_features,
            kernel=self.kernel,
            scale=self.scale,
            regularization=self.regularization,
            whiten=self.whiten,
            landmarks=torch.cat(landmarks),
        )
        return found._asdict()

    def mapped(self, features: Tensor, side: Side) -> Tensor:
        """The components `(N, k)`, with the same map on both sides."""
        fitted = TransferComponents(*(self.map[name] for name in self.tensors))
        return transfer_components(features, fitted, kernel=self.kernel)


def drawn(x: Tensor, number: int, generator: torch.Generator) -> Tensor:
    """At most `number` rows of `x`; if there are no more, all rows in their order."""
    if number >= len(x):
        return x
    return x[torch.randperm(len(x), generator=generator)[:number].to(x.device)]
