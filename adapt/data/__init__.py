"""Datamodules that pair a source with a target domain."""

from adapt.data.base import DomainDataModule
from adapt.data.batches import FewShotPair, Labelled, Pair, Unlabelled
from adapt.data.digits import Digits
from adapt.data.views import TensorDomain

__all__ = ["Digits", "DomainDataModule", "FewShotPair", "Labelled", "Pair", "TensorDomain", "Unlabelled"]
