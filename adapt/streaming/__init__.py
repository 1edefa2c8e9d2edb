"""Test-time adaptation: the target streams in once, and a trained network predicts and changes as it goes.

May import every room below it; no other room imports this one but `commands`.
"""

from adapt.streaming.base import StreamMethod
from adapt.streaming.bn1 import BN1
from adapt.streaming.cotta import CoTTA
from adapt.streaming.eata import EATA
from adapt.streaming.lame import LAME
from adapt.streaming.roid import ROID
from adapt.streaming.rotta import RoTTA
from adapt.streaming.sar import SAR
from adapt.streaming.source import Source
from adapt.streaming.tent import TENT

METHODS: dict[str, type[StreamMethod]] = {
    cls.__name__: cls for cls in (Source, BN1, TENT, EATA, SAR, CoTTA, RoTTA, LAME, ROID)
}
"""By the name that `adapt stream --method` takes."""

__all__ = [
    "BN1",
    "EATA",
    "LAME",
    "METHODS",
    "ROID",
    "SAR",
    "TENT",
    "CoTTA",
    "RoTTA",
    "Source",
    "StreamMethod",
]
