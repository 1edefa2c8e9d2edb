"""The methods that match statistics of the two domains."""

from adapt.methods import CMD, JAN, SWD, DeepJDOT, HoMM
from tests.zoo.case import Case

CASES = {
    "CMD": Case(CMD),
    "CMD, tanh on both layers": Case(CMD, {"squash": "tanh", "layers": ["features", "logits"]}, resume=False),
    "JAN": Case(JAN),
    "JAN-A": Case(JAN, {"adversarial": True}),
    "JAN, linear": Case(JAN, {"estimator": "linear"}, resume=False),
    "HoMM": Case(HoMM),
    "HoMM, drawn entries": Case(HoMM, {"samples": 1000}, resume=False),
    "HoMM, order 1": Case(HoMM, {"order": 1, "weight": 10.0}, resume=False),
    "HoMM, order 2": Case(HoMM, {"order": 2, "weight": 100.0}, resume=False),
    "HoMM, order 4": Case(HoMM, {"order": 4}, resume=False),
    "DeepJDOT": Case(DeepJDOT),
    "SWD": Case(SWD),
}
