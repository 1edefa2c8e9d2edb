"""Modules that are not whole networks."""

from adapt.layers.augmentation import Augmentation, StrongAugmentation, WeakAugmentation
from adapt.layers.bottleneck import Bottleneck
from adapt.layers.discriminator import DomainDiscriminator
from adapt.layers.evaluation import evaluating
from adapt.layers.gradient_reversal import GradientReversal, reverse_gradient
from adapt.layers.head import ClassifierHead

__all__ = [
    "Augmentation",
    "Bottleneck",
    "ClassifierHead",
    "DomainDiscriminator",
    "GradientReversal",
    "StrongAugmentation",
    "WeakAugmentation",
    "evaluating",
    "reverse_gradient",
]
