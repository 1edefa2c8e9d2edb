"""Pure functions of tensors, each a paper's formula: no Lightning, no logging, no state."""

from adapt.losses.cmd import cmd
from adapt.losses.coral import coral
from adapt.losses.deepjdot import deepjdot
from adapt.losses.domain_adversarial import domain_adversarial
from adapt.losses.entropy import entropy
from adapt.losses.homm import homm
from adapt.losses.jmmd import jmmd
from adapt.losses.mmd import mmd
from adapt.losses.sliced_wasserstein import sliced_wasserstein

__all__ = ["cmd", "coral", "deepjdot", "domain_adversarial", "entropy", "homm", "jmmd", "mmd", "sliced_wasserstein"]
