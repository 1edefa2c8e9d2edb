"""Pure functions of tensors, each a paper's formula: no Lightning, no logging, no state."""

from adapt.losses.adda import adda
from adapt.losses.bsp import bsp
from adapt.losses.cdan import entropy_weights, multilinear
from adapt.losses.coral import coral
from adapt.losses.domain_adversarial import domain_adversarial
from adapt.losses.entropy import entropy
from adapt.losses.mcd import classifier_discrepancy
from adapt.losses.mdd import mdd
from adapt.losses.mmd import mmd
from adapt.losses.wdgrl import critic_gap, gradient_penalty

__all__ = [
    "adda",
    "bsp",
    "classifier_discrepancy",
    "coral",
    "critic_gap",
    "domain_adversarial",
    "entropy",
    "entropy_weights",
    "gradient_penalty",
    "mdd",
    "mmd",
    "multilinear",
]
