"""Loss terms for fine-tuning that keep what was learned on the source, despite few labels."""

from adapt.regularisers.base import FromStart, Network, Regulariser
from adapt.regularisers.bss import BSS
from adapt.regularisers.co_tuning import CoTuning
from adapt.regularisers.delta import DELTA
from adapt.regularisers.l2_sp import L2SP

__all__ = ["BSS", "DELTA", "L2SP", "CoTuning", "FromStart", "Network", "Regulariser"]
