"""Stateless terms that add to any method, so that the combinations of papers need no class of their own."""

from adapt.penalties.afn import AFN
from adapt.penalties.base import Penalty, TargetLabelPenalty, WeightPenalty
from adapt.penalties.bnm import BNM
from adapt.penalties.bsp import BSP
from adapt.penalties.elastic import L1, Elastic
from adapt.penalties.mcc import MCC
from adapt.penalties.min_ent import MinEnt
from adapt.penalties.target_cross_entropy import TargetCrossEntropy

__all__ = [
    "AFN",
    "BNM",
    "BSP",
    "L1",
    "MCC",
    "Elastic",
    "MinEnt",
    "Penalty",
    "TargetCrossEntropy",
    "TargetLabelPenalty",
    "WeightPenalty",
]
