"""The methods that carry over which samples belong together."""

from adapt.methods import CAN, DSAN
from tests.zoo.case import UNWATCHED, Case
from tests.zoo.self_training import Turned

CASES = {
    "CAN": Case(CAN, UNWATCHED, module=Turned),
    "CAN, two passes": Case(CAN, UNWATCHED | {"joint_forward": False, "bottleneck": 16}, module=Turned, resume=False),
    "DSAN": Case(DSAN, module=Turned),
    "DSAN, median": Case(DSAN, {"kernel": "median"}, module=Turned, resume=False),
}
