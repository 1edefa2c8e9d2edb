"""Pure functions of tensors, each a paper's formula: no Lightning, no logging, no state."""

from adapt.losses.afn import hafn, safn
from adapt.losses.bnm import bnm
from adapt.losses.cmd import cmd
from adapt.losses.coral import coral
from adapt.losses.deepjdot import deepjdot
from adapt.losses.domain_adversarial import domain_adversarial
from adapt.losses.entropy import entropy
from adapt.losses.fixmatch import confident, fixmatch
from adapt.losses.homm import homm
from adapt.losses.jmmd import jmmd
from adapt.losses.mcc import mcc
from adapt.losses.mmd import mmd
from adapt.losses.self_ensembling import class_balance, consistency
from adapt.losses.sliced_wasserstein import sliced_wasserstein

__all__ = [
    "bnm",
    "class_balance",
    "cmd",
    "confident",
    "consistency",
    "coral",
    "deepjdot",
    "domain_adversarial",
    "entropy",
    "fixmatch",
    "hafn",
    "homm",
    "jmmd",
    "mcc",
    "mmd",
    "safn",
    "sliced_wasserstein",
]
