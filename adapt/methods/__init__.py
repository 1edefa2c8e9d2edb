"""One paper, one file, one LightningModule."""

from adapt.methods.base import Encoding, Encodings, Method
from adapt.methods.coral import CORAL
from adapt.methods.dann import DANN
from adapt.methods.fine_tuning import FineTuning
from adapt.methods.mmd import MMD
from adapt.methods.source_only import SourceOnly
from adapt.methods.target_only import TargetOnly

__all__ = ["CORAL", "DANN", "MMD", "Encoding", "Encodings", "FineTuning", "Method", "SourceOnly", "TargetOnly"]
