"""One paper, one file, one LightningModule."""

from adapt.encoding import Encoding, Encodings
from adapt.methods.alternating import AlternatingMethod, Phase
from adapt.methods.base import Method
from adapt.methods.cmd import CMD
from adapt.methods.coral import CORAL
from adapt.methods.dann import DANN
from adapt.methods.deepjdot import DeepJDOT
from adapt.methods.fine_tuning import FineTuning
from adapt.methods.homm import HoMM
from adapt.methods.jan import JAN
from adapt.methods.mmd import MMD
from adapt.methods.source_only import SourceOnly
from adapt.methods.swd import SWD
from adapt.methods.target_only import TargetOnly

__all__ = [
    "CMD",
    "CORAL",
    "DANN",
    "JAN",
    "MMD",
    "SWD",
    "AlternatingMethod",
    "DeepJDOT",
    "Encoding",
    "Encodings",
    "FineTuning",
    "HoMM",
    "Method",
    "Phase",
    "SourceOnly",
    "TargetOnly",
]
