"""Pure functions of tensors, each a paper's formula: no Lightning, no logging, no state."""

from adapt.losses.adda import adda
from adapt.losses.afn import hafn, safn
from adapt.losses.bnm import bnm
from adapt.losses.bsp import bsp
from adapt.losses.cdan import entropy_weights, multilinear
from adapt.losses.charbonnier_entropy import charbonnier_entropy
from adapt.losses.cmd import cmd
from adapt.losses.coral import coral
from adapt.losses.deepjdot import deepjdot
from adapt.losses.domain_adversarial import domain_accuracy, domain_adversarial
from adapt.losses.entropy import entropy
from adapt.losses.fixmatch import confident, fixmatch
from adapt.losses.homm import homm
from adapt.losses.jmmd import jmmd
from adapt.losses.mcc import mcc
from adapt.losses.mcd import classifier_discrepancy
from adapt.losses.mdd import mdd
from adapt.losses.mmd import mmd
from adapt.losses.self_ensembling import class_balance, consistency
from adapt.losses.sliced_wasserstein import sliced_wasserstein
from adapt.losses.style import content_loss, gram, style_loss, total_variation
from adapt.losses.wdgrl import critic_gap, gradient_penalty

__all__ = [
    "adda",
    "bnm",
    "bsp",
    "charbonnier_entropy",
    "class_balance",
    "classifier_discrepancy",
    "cmd",
    "confident",
    "consistency",
    "content_loss",
    "coral",
    "critic_gap",
    "deepjdot",
    "domain_accuracy",
    "domain_adversarial",
    "entropy",
    "entropy_weights",
    "fixmatch",
    "gradient_penalty",
    "gram",
    "hafn",
    "homm",
    "jmmd",
    "mcc",
    "mdd",
    "mmd",
    "multilinear",
    "safn",
    "sliced_wasserstein",
    "style_loss",
    "total_variation",
]
