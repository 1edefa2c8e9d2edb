"""One paper, one file, one LightningModule."""

from adapt.encoding import Encoding, Encodings
from adapt.methods.adda import ADDA
from adapt.methods.alternating import AlternatingMethod, Phase
from adapt.methods.base import Method
from adapt.methods.cdan import CDAN
from adapt.methods.coral import CORAL
from adapt.methods.dann import DANN
from adapt.methods.fine_tuning import FineTuning
from adapt.methods.mcd import MCD
from adapt.methods.mdd import MDD
from adapt.methods.mmd import MMD
from adapt.methods.source_only import SourceOnly
from adapt.methods.target_only import TargetOnly
from adapt.methods.wdgrl import WDGRL

__all__ = [
    "ADDA",
    "CDAN",
    "CORAL",
    "DANN",
    "MCD",
    "MDD",
    "MMD",
    "WDGRL",
    "AlternatingMethod",
    "Encoding",
    "Encodings",
    "FineTuning",
    "Method",
    "Phase",
    "SourceOnly",
    "TargetOnly",
]
