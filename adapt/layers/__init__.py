"""Building blocks of networks and methods."""

from adapt.layers.anchors import AnchorHead, TextAnchors
from adapt.layers.augmentation import Augmentation, StrongAugmentation, WeakAugmentation
from adapt.layers.batch_norm import batch_norms, batch_statistics, only_batch_norm_trains
from adapt.layers.bottleneck import Bottleneck
from adapt.layers.discriminator import DomainDiscriminator
from adapt.layers.evaluation import evaluating
from adapt.layers.fourier import swap_amplitude
from adapt.layers.gradient_reversal import GradientReversal, reverse_gradient
from adapt.layers.head import ClassifierHead, CosineHead
from adapt.layers.masking import hide_blocks, hide_words
from adapt.layers.perceptual import PerceptualFeatures, perceptual_features
from adapt.layers.pixels import Pixels, to_bytes
from adapt.layers.restyling import restyle
from adapt.layers.series import SeriesAugmentation
from adapt.layers.spectrum import SeriesDecoder, SpectralFilter

__all__ = [
    "AnchorHead",
    "Augmentation",
    "Bottleneck",
    "ClassifierHead",
    "CosineHead",
    "DomainDiscriminator",
    "GradientReversal",
    "PerceptualFeatures",
    "Pixels",
    "SeriesAugmentation",
    "SeriesDecoder",
    "SpectralFilter",
    "StrongAugmentation",
    "TextAnchors",
    "WeakAugmentation",
    "batch_norms",
    "batch_statistics",
    "evaluating",
    "hide_blocks",
    "hide_words",
    "only_batch_norm_trains",
    "perceptual_features",
    "restyle",
    "reverse_gradient",
    "swap_amplitude",
    "to_bytes",
]
