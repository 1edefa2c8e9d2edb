"""The methods that carry over which samples belong together."""

from adapt.methods import DSAN
from tests.zoo.case import Case
from tests.zoo.self_training import Turned

CASES = {
    "DSAN": Case(DSAN, module=Turned),
    "DSAN, median": Case(DSAN, {"kernel": "median"}, module=Turned, resume=False),
}
