"""Loss terms that can be added to any method, so that combinations of papers need no new class."""

from adapt.penalties.afn import AFN
from adapt.penalties.base import ClassifierPenalty, Penalty, TargetLabelPenalty, WeightPenalty
from adapt.penalties.bnm import BNM
from adapt.penalties.bsp import BSP
from adapt.penalties.elastic import L1, Elastic
from adapt.penalties.l2_sp import L2SP
from adapt.penalties.mcc import MCC
from adapt.penalties.min_ent import MinEnt
from adapt.penalties.nwd import NWD
from adapt.penalties.target_cross_entropy import TargetCrossEntropy

__all__ = [
    "AFN",
    "BNM",
    "BSP",
    "L1",
    "L2SP",
    "MCC",
    "NWD",
    "ClassifierPenalty",
    "Elastic",
    "MinEnt",
    "Penalty",
    "TargetCrossEntropy",
    "TargetLabelPenalty",
    "WeightPenalty",
]
