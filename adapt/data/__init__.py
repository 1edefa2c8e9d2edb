"""Datamodules that pair a source with a target domain."""

from adapt.data.amazon import AmazonReviews
from adapt.data.arrays import Arrays
from adapt.data.base import DomainDataModule, standing_alone
from adapt.data.batches import FewShotPair, Labelled, Pair, TargetBatch, Unlabelled
from adapt.data.described_digits import DescribedDigits
from adapt.data.digit_tasks import DigitPairs, TurnedDigits
from adapt.data.digits import Digits
from adapt.data.features import Features
from adapt.data.folders import ImageFolders
from adapt.data.image_text import ImageText
from adapt.data.in_memory import InMemory
from adapt.data.labels import NO_LABEL
from adapt.data.lists import ImageLists
from adapt.data.moons import Moons
from adapt.data.tables import Tables
from adapt.data.texts import Texts
from adapt.data.time_series import TimeSeries
from adapt.data.views import TensorDomain
from adapt.data.volumes import Volumes

__all__ = [
    "NO_LABEL",
    "AmazonReviews",
    "Arrays",
    "DescribedDigits",
    "DigitPairs",
    "Digits",
    "DomainDataModule",
    "Features",
    "FewShotPair",
    "ImageFolders",
    "ImageLists",
    "ImageText",
    "InMemory",
    "Labelled",
    "Moons",
    "Pair",
    "Tables",
    "TargetBatch",
    "TensorDomain",
    "Texts",
    "TimeSeries",
    "TurnedDigits",
    "Unlabelled",
    "Volumes",
    "standing_alone",
]
