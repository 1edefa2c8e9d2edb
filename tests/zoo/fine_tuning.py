"""Fine-tuning a source run on a few labelled target samples, and what holds it back."""

from adapt.methods import FineTuning
from adapt.regularisers import BSS, DELTA, L2SP, CoTuning
from tests.zoo.case import Case

# No source phase in continued runs either, which are given a checkpoint instead of the source run.
FEW = {"data": {"shots": 5}, "source_fraction": 0.0}

CASES = {
    "FineTuning, LP-FT": Case(FineTuning, FEW | {"tune": "lp_ft"}, after_source=True),
    "FineTuning, layer decay": Case(FineTuning, FEW | {"layer_decay": 0.6}, after_source=True),
    "FineTuning, L2-SP": Case(FineTuning, FEW | {"regulariser": L2SP()}, after_source=True),
    "FineTuning, DELTA": Case(FineTuning, FEW | {"regulariser": DELTA()}, after_source=True),
    "FineTuning, BSS": Case(FineTuning, FEW | {"regulariser": BSS()}, after_source=True),
    "FineTuning, Co-Tuning": Case(FineTuning, FEW | {"regulariser": CoTuning()}, after_source=True),
}
