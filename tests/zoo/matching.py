"""The methods that match statistics of the two domains."""

from adapt.methods import CMD, JAN
from tests.zoo.case import Case

CASES = {
    "CMD": Case(CMD),
    "CMD, tanh on both layers": Case(CMD, {"squash": "tanh", "layers": ["features", "logits"]}, resume=False),
    "JAN": Case(JAN),
    "JAN-A": Case(JAN, {"adversarial": True}),
    "JAN, linear": Case(JAN, {"estimator": "linear"}, resume=False),
}
