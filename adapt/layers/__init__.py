"""Modules that are not whole networks."""

from adapt.layers.bottleneck import Bottleneck
from adapt.layers.discriminator import DomainDiscriminator
from adapt.layers.gradient_reversal import GradientReversal, reverse_gradient

__all__ = ["Bottleneck", "DomainDiscriminator", "GradientReversal", "reverse_gradient"]
