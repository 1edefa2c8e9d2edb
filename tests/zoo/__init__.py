"""Every method on a toy: what the tests of learning, resuming and leakage go through."""

from tests.zoo import adversarial, basics
from tests.zoo.case import Case

CASES: dict[str, Case] = {**basics.CASES, **adversarial.CASES}

__all__ = ["CASES", "Case"]
