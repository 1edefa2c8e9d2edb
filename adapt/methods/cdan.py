"""Conditional adversarial domain adaptation."""

from typing import Any, ClassVar

import torch
from torch import Tensor

from adapt.encoding import Encoding
from adapt.errors import AdaptError
from adapt.layers import reverse_gradient
from adapt.losses import entropy_weights, multilinear
from adapt.methods.dann import DANN
from adapt.problems import Classification, Problem


class CDAN(DANN):
    """DANN whose discriminator sees which class the classifier believes in.

    Paper: Long et al., Conditional Adversarial Domain Adaptation, NeurIPS 2018 (https://arxiv.org/abs/1705.10667).

    Formula: `L = CE(f(x_s), y_s) + w · ½ [mean v_s BCE(d(R_λ(g_s ⊗ p_s)), 1) + mean v_t BCE(d(R_λ(g_t ⊗ p_t)), 0)]`,
    with features g `(N, d)`, softmax p `(N, K)`, their outer product `(N, d · K)`, and the reversal R_λ of DANN. Above
    `max_product` entries the product becomes (R_gᵀ g) ⊙ (R_pᵀ p) / √D `(N, D)`, with fixed standard normal matrices
    that the checkpoint keeps. v is 1, or, with `entropy` (CDAN+E), 1 + e^{−H(p)} divided by its mean over both domains.

    No gradient passes through p, as in the authors' code and TLlib. In the authors' code one passes through the weights
    v: a hook on the entropy reverses it by λ like the features', so that predictions learn to be weighed as the
    discriminator would not have them. TLlib cuts it off, which is the default here; `entropy_gradient` is the authors'.
    Departures: the two domains are encoded in one pass, and v is normalised over both domains jointly (TLlib; the
    authors' code normalises each apart). TLlib takes the random map only when told to.

    Published, Office-31 mean, ResNet-50: CDAN+E 87.7 against source only 76.1 % (the papers', in TLlib's table);
    MNIST→USPS 96.0, USPS→MNIST 97.7 % against 82.1 and 74.6 (TLlib, oracle).

    Args:
        entropy: Weigh samples by the certainty of their prediction: CDAN+E.
        entropy_gradient: Let the gradient through the entropy's weights, reversed by λ, as the authors' code does.
        max_product: Largest d · K at which the discriminator sees the whole outer product.
        random_features: Width D of the random map above it.
        **kwargs: Arguments of `DANN` and of `Method`.

    Raises:
        AdaptError: A width is below 1, or there is a gradient for weights that are not asked for.
    """

    family: ClassVar[str] = "adversarial"
    problems: ClassVar[tuple[type[Problem], ...]] = (Classification,)
    random_map: Tensor | None
    random_class_map: Tensor | None

    def __init__(
        self,
        entropy: bool = False,
        entropy_gradient: bool = False,
        max_product: int = 4096,
        random_features: int = 1024,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if min(max_product, random_features) < 1:
            raise AdaptError(
                f"Expected max_product and random_features of at least 1, found {max_product} and {random_features}."
            )
        if entropy_gradient and not entropy:
            raise AdaptError("entropy_gradient passes through the entropy's weights, found none: give entropy, too.")
        self.entropy, self.entropy_gradient = entropy, entropy_gradient
        width = self.num_features * self.num_outputs
        product = width <= max_product
        for name, rows in (("random_map", self.num_features), ("random_class_map", self.num_outputs)):
            self.register_buffer(name, None if product else torch.randn(rows, random_features))
        self.discriminator = self.new_discriminator(width if product else random_features)

    def discriminated(self, encoding: Encoding) -> Tensor:
        """Features and class probabilities together, `(N, d · K)` or `(N, D)`."""
        if self.random_map is None or self.random_class_map is None:
            return multilinear(encoding.features, encoding.logits)
        return multilinear(encoding.features, encoding.logits, maps=(self.random_map, self.random_class_map))

    def sample_weights(self, source: Encoding, target: Encoding) -> tuple[Tensor, Tensor] | None:
        """The certainty of each prediction, for CDAN+E."""
        if not self.entropy:
            return None
        logits = (reverse_gradient(domain.logits, self.reversal) for domain in (source, target))
        return entropy_weights(*logits, gradient=self.entropy_gradient)
